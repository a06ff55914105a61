// The public listener: request id, CORS, CSRF, routing, and one log line per request.
import { createPublicRoutes, proxy } from './public-routes.mjs';
import { newCall } from './call.mjs';
import { sendIde } from './ide.mjs';
import { publish, refusal } from './refusals.mjs';

const PREFLIGHT_HEADERS = ['graphql-require-preflight', 'apollo-require-preflight'];
const CORS_HEADERS = {
  'access-control-allow-methods': 'GET, POST, OPTIONS',
  'access-control-allow-headers': [
    'authorization',
    'content-type',
    'accept-language',
    'x-request-id',
    'traceparent',
    ...PREFLIGHT_HEADERS,
  ].join(', '),
  'access-control-expose-headers':
    'x-request-id, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset, ' +
    'ratelimit-policy, ratelimit',
  'access-control-max-age': '600',
};

/**
 * Build the request listener; `active` holds the calls in progress, for the drain at shutdown.
 * `state.ready()` says whether GraphQL can be served, `state.draining` that no more should come.
 */
export function createFront({ config, gateway, state, active, rateLimiter, tracing, metrics, log }) {
  const matchPublicRoute = createPublicRoutes(config);
  const options = { hideSuggestions: !config.development, log };
  // Its first query is one of the whole graph.
  const ide = config.development && !config.contract;

  async function dispatch({ call, req, res, url }) {
    if (!url) throw refusal('INVALID_INPUT', 'The request has no valid URL.', { status: 400 });
    const { pathname } = url;
    if (pathname === '/graphql') return graphql({ call, req, res });
    if (pathname === '/' && ide && req.method === 'GET') return sendIde(res);
    const route = matchPublicRoute(req.method, pathname);
    if (!route) throw refusal('NOT_FOUND', 'There is nothing here.', { status: 404 });
    call.route = 'public';
    const setHeader = (name, value) => res.setHeader(name, value);
    await rateLimiter.take(`ip:${call.ip}`, { setHeader });
    const traceparent = tracing.traceparent(call);
    return proxy({ route, call, req, res, url, config, traceparent });
  }

  async function graphql({ call, req, res }) {
    call.route = 'graphql';
    res.setHeader('cache-control', 'no-store');
    if (applyCors(req, res, config.corsOrigins)) return undefined;
    if (ide && req.method === 'GET' && req.headers.accept?.includes('text/html')) {
      return sendIde(res);
    }
    preventForgery(req);
    if (!state.ready()) {
      throw refusal('UNAVAILABLE', 'The router has no supergraph yet. Try again soon.', {
        status: 503,
        headers: { 'retry-after': '1' },
      });
    }
    return gateway(req, res, { call });
  }

  return function listener(req, res) {
    const call = newCall(req, { trustedProxies: config.trustedProxies, transport: 'http' });
    call.route = 'other';
    // Null for what is no URL; a client must not be able to throw outside of the dispatch.
    const url = URL.parse(req.url.replace(/^\/+/, '/'), 'http://router');
    active.add(call);
    metrics.requestsInProgress.set(active.size);
    // A span's name is an index: never the path that a client made up.
    tracing.begin(call, url?.pathname === '/graphql' ? `${req.method} /graphql` : req.method);
    res.setHeader('x-request-id', call.id);
    res.setHeader('x-content-type-options', 'nosniff');
    if (state.draining) res.setHeader('connection', 'close');
    res.once('close', () => {
      active.delete(call);
      metrics.requestsInProgress.set(active.size);
      finish({ call, req, res, tracing, metrics, log });
    });
    dispatch({ call, req, res, url }).catch((error) => {
      sendErrors(res, publish({ errors: [error] }, call, options));
    });
  };
}

/** Answer CORS; true when the request was a preflight and is done. Credentials are never allowed. */
function applyCors(req, res, origins) {
  const { origin } = req.headers;
  res.setHeader('vary', 'origin');
  if (origin && origins.has(origin)) {
    res.setHeader('access-control-allow-origin', origin);
    for (const [name, value] of Object.entries(CORS_HEADERS)) res.setHeader(name, value);
  }
  if (req.method !== 'OPTIONS') return false;
  res.writeHead(204).end();
  return true;
}

/** A page of another site can only send what a browser sends without asking; refuse exactly that. */
function preventForgery(req) {
  const type = (req.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
  if (req.method === 'POST') {
    if (type === 'application/json') return;
    throw refusal('INVALID_INPUT', 'The content-type must be application/json.', { status: 415 });
  }
  if (req.method !== 'GET') {
    const headers = { allow: 'GET, POST, OPTIONS' };
    throw refusal('INVALID_INPUT', 'Use POST (or GET for queries).', { status: 405, headers });
  }
  if (type === 'application/json') return;
  if (PREFLIGHT_HEADERS.some((name) => req.headers[name])) return;
  const message = `A GET request needs the header ${PREFLIGHT_HEADERS[0]}.`;
  throw refusal('FORBIDDEN', message, { status: 403 });
}

/** Answer errors in the GraphQL shape, unless an answer is already on its way. */
function sendErrors(res, { errors }) {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const { status = 500, headers = {} } = errors[0].extensions.http ?? {};
  const body = errors.map((error) => {
    const { http: _, ...extensions } = error.extensions;
    return { message: error.message, extensions };
  });
  res.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
  res.end(JSON.stringify({ errors: body }));
}

function finish({ call, req, res, tracing, metrics, log }) {
  // 499, as nginx has it: the client left before the answer was complete.
  const status = res.writableFinished ? res.statusCode : 499;
  const milliseconds = performance.now() - call.startedAt;
  const operation = call.operationType ?? 'none';
  metrics.requestSeconds.observe({ route: call.route, operation, status }, milliseconds / 1000);
  tracing.end(call, status);
  log.info(
    {
      requestId: call.id,
      traceId: call.traceId,
      userId: call.viewer?.id,
      method: req.method,
      path: req.url.split('?')[0],
      status,
      operationType: call.operationType,
      milliseconds: Math.round(milliseconds),
    },
    'request',
  );
}
