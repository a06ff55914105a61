// The errors that the router itself answers with, and the shape of every error that leaves it.
import { GraphQLError } from 'graphql';

/** Codes that clients may see; a subgraph can publish its own with `extensions.public: true`. */
export const PUBLIC_CODES = new Set([
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'INVALID_INPUT',
  'NOT_FOUND',
  'CONFLICT',
  'RATE_LIMITED',
  'UNAVAILABLE',
  'TIMEOUT',
  'INTERNAL',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
]);

export const UNAVAILABLE_MESSAGE = 'A part of the platform is unavailable. Try again soon.';
export const TIMEOUT_MESSAGE = 'A part of the platform took too long to answer.';
export const INTERNAL_MESSAGE = 'Internal error. The request id names it in our logs.';

/** A refusal with its public code and HTTP status. */
export function refusal(code, message, { status, headers, limit } = {}) {
  const extensions = { code };
  if (limit) extensions.limit = limit;
  if (status) extensions.http = { status, headers };
  return new GraphQLError(message, { extensions });
}

/** A refusal that names the limit, its maximum and what was found. */
export const overLimit = (name, max, found, { status = 400 } = {}) =>
  refusal('INVALID_INPUT', `The limit ${name} is ${max}, but this request has ${found}.`, {
    status,
    limit: { name, max, found },
  });

// Codes of the libraries below us, in the vocabulary of the platform.
const TRANSLATED = {
  BAD_REQUEST: 'INVALID_INPUT',
  BAD_USER_INPUT: 'INVALID_INPUT',
  OPERATION_RESOLUTION_FAILURE: 'INVALID_INPUT',
  PERSISTED_QUERY_NOT_IN_LIST: 'INVALID_INPUT',
  SCHEMA_RELOAD: 'UNAVAILABLE',
  SHUTTING_DOWN: 'UNAVAILABLE',
};
const SUGGESTION = / Did you mean .*\?$/s;

/** Give a result its public face: known codes, no internals, and the request id on every error. */
export function publish(result, call, { hideSuggestions, log }) {
  if (!result?.errors?.length) return result;
  const errors = result.errors.map((error) => publishError(error, call, { hideSuggestions, log }));
  return { ...result, errors };
}

function publishError(error, call, { hideSuggestions, log }) {
  const { code, http, limit, details } = error.extensions ?? {};
  const known = publicCode(error, code, http);
  if (known === 'INTERNAL' && code !== 'INTERNAL') {
    log.error({ requestId: call.id, traceId: call.traceId, code, error }, 'masked error');
  }
  let message = error.message;
  if (known === 'INTERNAL') message = INTERNAL_MESSAGE;
  else if (known === 'UNAVAILABLE' && known !== code) message = UNAVAILABLE_MESSAGE;
  else if (hideSuggestions && !error.path) message = message.replace(SUGGESTION, '');

  const extensions = { code: known, requestId: call.id };
  if (limit) extensions.limit = limit;
  if (details) extensions.details = details;
  // Over a WebSocket nobody removes the HTTP hints from the message.
  // Limits keep their status for every media type, however early they are met.
  if (http && call.transport === 'http') extensions.http = limit ? { ...http, spec: false } : http;
  const { nodes, source, positions, path } = error;
  return new GraphQLError(message, { nodes, source, positions, path, extensions });
}

function publicCode(error, code, http) {
  if (PUBLIC_CODES.has(code)) return code;
  if (TRANSLATED[code]) return TRANSLATED[code];
  if (error.extensions?.public === true) return code;
  // Refusals of the HTTP layer and wrong variable values are the client's doing and safe to show.
  const fromLibrary = error instanceof GraphQLError && !code && !error.path;
  if (fromLibrary && !error.originalError && http?.status >= 400 && http.status < 500) {
    return 'INVALID_INPUT';
  }
  if (fromLibrary && error.message.startsWith('Variable "$')) return 'INVALID_INPUT';
  return 'INTERNAL';
}

/** For the gateway's own masking: leave every error as it is until it is published. */
export const maskError = (error) =>
  error instanceof GraphQLError ? error : new GraphQLError('', { originalError: error });
