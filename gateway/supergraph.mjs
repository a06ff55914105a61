// The supergraph: polled by URL, checked before use, and the last good one kept in service.
import { QueryPlanner } from '@graphql-hive/router-query-planner';
import { Kind, buildASTSchema, parse, print, visit } from 'graphql';

const FETCH_TIMEOUT_MS = 5_000;
const MAX_BYTES = 20_000_000;
// Until the first success nothing can be served, so it is asked for more often.
const IMPATIENT_POLL_MS = 500;

/**
 * Poll until stopped. `current()` is the text in service or undefined; `onChange` is awaited with
 * each new one, and a failure there keeps the previous text.
 */
export function createSupergraph(config, { log, metrics }) {
  let current;
  let original;
  let timer;
  let stopped = false;
  let lastProblem;
  let etag;

  async function poll(onChange) {
    try {
      const text = await fetchText();
      if (text === undefined || text === original) {
        metrics.supergraphLoads.inc({ result: 'unchanged' });
      } else {
        const next = prepare(text, config);
        const previous = current;
        current = next;
        try {
          await onChange(next);
        } catch (error) {
          current = previous;
          throw error;
        }
        original = text;
        metrics.supergraphLoads.inc({ result: 'loaded' });
        log.info({ bytes: text.length }, 'supergraph loaded');
      }
      lastProblem = undefined;
    } catch (error) {
      etag = undefined;
      metrics.supergraphLoads.inc({ result: 'failed' });
      const problem = error.cause?.code ?? error.message;
      const serving = current ? 'the previous one stays in service' : 'nothing can be served yet';
      // The same failure every half second is one fact, not many.
      if (problem !== lastProblem) log.error({ problem }, `supergraph not loaded: ${serving}`);
      lastProblem = problem;
    }
    if (!stopped) {
      const pause = current
        ? config.supergraphPollMs
        : Math.min(IMPATIENT_POLL_MS, config.supergraphPollMs);
      timer = setTimeout(poll, pause, onChange);
    }
  }

  async function fetchText() {
    const response = await fetch(config.supergraphUrl, {
      signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
      headers: etag ? { 'if-none-match': etag } : {},
    });
    if (response.status === 304) return undefined;
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const text = await response.text();
    if (text.length > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`);
    etag = response.headers.get('etag') ?? undefined;
    return text;
  }

  return {
    current: () => current,
    start: (onChange) => poll(onChange),
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Check that a text is a supergraph that can be planned, and point it at our subgraph URLs. */
export function prepare(text, { subgraphBaseUrl }) {
  const document = parse(text, { noLocation: true });
  const isGraph = (d) => d.kind === Kind.ENUM_TYPE_DEFINITION && d.name.value === 'join__Graph';
  if (!document.definitions.some(isGraph)) throw new Error('it is no supergraph (no join__Graph)');
  buildASTSchema(document, { assumeValidSDL: true });
  // The planner refuses what it cannot plan; better here than at the first request.
  new QueryPlanner(text);
  return subgraphBaseUrl ? print(withBaseUrl(document, subgraphBaseUrl)) : text;
}

function withBaseUrl(document, baseUrl) {
  return visit(document, {
    Directive(directive) {
      if (directive.name.value !== 'join__graph') return undefined;
      const name = directive.arguments.find((a) => a.name.value === 'name').value.value;
      const moved = { kind: Kind.STRING, value: `${baseUrl}/${name}/graphql` };
      return {
        ...directive,
        arguments: directive.arguments.map((a) =>
          a.name.value === 'url' ? { ...a, value: moved } : a,
        ),
      };
    },
  });
}
