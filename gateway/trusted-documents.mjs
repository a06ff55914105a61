// Which document runs: production serves the web app's own documents by hash and no other text.
import { refusal } from './refusals.mjs';

/**
 * Build `findDocument(params, call)`, which returns the text to run. A document is named by
 * `documentId` or `extensions.persistedQuery.sha256Hash`. Text is refused only where a manifest
 * exists, in production, for callers that are not partners.
 */
export function createDocumentFinder({ trustedDocuments, development }) {
  const acceptsText = (call) => !trustedDocuments || development || call.viewer?.partner === true;

  return function findDocument(params, call) {
    const id = params.documentId ?? params.extensions?.persistedQuery?.sha256Hash;
    if (id !== undefined && id !== null) {
      const text = trustedDocuments?.get(String(id).replace(/^sha256:/, ''));
      if (text !== undefined) return text;
      throw refusal('INVALID_INPUT', 'No trusted document has this id.', { status: 400 });
    }
    if (!acceptsText(call)) {
      const message = 'Only trusted documents are accepted: send documentId instead of query.';
      throw refusal('FORBIDDEN', message, { status: 403 });
    }
    if (typeof params.query !== 'string' || params.query === '') {
      throw refusal('INVALID_INPUT', 'The request has no query.', { status: 400 });
    }
    return params.query;
  };
}
