// Routes of subgraphs that are not GraphQL (keys, OAuth, webhooks, feeds) and open to the world.
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream';

import { readBody } from './body.mjs';
import { refusal } from './refusals.mjs';
import { SIGNATURE_HEADER, sign } from './signature.mjs';

const SAFE_SEGMENT = /^(?:[A-Za-z0-9._~@!$&'()*+,;=:-]|%(?!2f|5c|00)[0-9a-f]{2})+$/i;
const DOTS = /^(?:\.|%2e){1,2}$/i;
// Hop-by-hop headers, and those that the router alone may set.
const NOT_FORWARDED = new Set([
  'connection',
  'content-length',
  'cookie',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'traceparent',
  'transfer-encoding',
  'upgrade',
  'x-request-id',
  SIGNATURE_HEADER,
]);
const NOT_RETURNED = new Set([
  'connection',
  'keep-alive',
  'server',
  'set-cookie',
  'trailer',
  'transfer-encoding',
  'x-request-id',
]);
// No connection is kept: these routes are rare, and a stale one would fail a webhook.
const agent = new HttpAgent({ keepAlive: false });

/** Build `match(method, path)` over the `public:` entries of supergraph.yaml. */
export function createPublicRoutes({ publicRoutes, subgraphUrls, subgraphBaseUrl }) {
  const routes = publicRoutes.map(({ subgraph, methods, pattern }) => {
    const origin = new URL(subgraphBaseUrl || subgraphUrls.get(subgraph));
    const prefix = subgraphBaseUrl ? origin.pathname.replace(/\/+$/, '') : '';
    return {
      subgraph,
      methods,
      segments: pattern.split('/'),
      target: `${origin.origin}${prefix}/${subgraph}`,
    };
  });

  return function match(method, path) {
    const segments = path.split('/');
    if (segments.slice(1).some((s) => !SAFE_SEGMENT.test(s) || DOTS.test(s))) return undefined;
    return routes.find(
      (route) =>
        route.methods.includes(method) &&
        route.segments.length === segments.length &&
        route.segments.every((s, i) => (s.startsWith('{') ? true : s === segments[i])),
    );
  };
}

/** Pass one request on, signed, and stream the answer back; throws TIMEOUT or UNAVAILABLE. */
export async function proxy({ route, call, req, res, url, config, traceparent }) {
  const body = await readBody(req, config.limits.bodyBytes);
  const target = new URL(`${route.target}${url.pathname}${url.search}`);
  const headers = {};
  for (const [name, value] of Object.entries(req.headers)) {
    if (!NOT_FORWARDED.has(name) && !name.startsWith('x-forwarded-')) headers[name] = value;
  }
  Object.assign(headers, {
    'content-length': String(body.length),
    'x-forwarded-for': call.ip,
    'x-forwarded-host': req.headers.host ?? '',
    'x-forwarded-proto': forwardedProto(req, config),
    'x-request-id': call.id,
    traceparent,
    [SIGNATURE_HEADER]: sign(config.secrets[0], { ip: call.ip, payload: body }),
  });
  const timeoutMs = config.subgraphTimeouts.get(route.subgraph) ?? config.subgraphTimeoutMs;
  await exchange({ target, method: req.method, headers, body, res, timeoutMs });
}

// Behind trusted proxies the outermost one knows whether the client came over TLS.
function forwardedProto(req, { trustedProxies }) {
  const claimed = trustedProxies > 0 ? req.headers['x-forwarded-proto'] : undefined;
  return claimed === 'https' || req.socket.encrypted ? 'https' : 'http';
}

function exchange({ target, method, headers, body, res, timeoutMs }) {
  return new Promise((resolve, reject) => {
    const secure = target.protocol === 'https:';
    const send = secure ? httpsRequest : httpRequest;
    const upstream = send(target, { method, headers, agent: secure ? undefined : agent });
    const timer = setTimeout(() => {
      upstream.destroy();
      reject(refusal('TIMEOUT', 'The service took too long to answer.', { status: 504 }));
    }, timeoutMs);
    const abandon = () => upstream.destroy();
    res.once('close', abandon);
    upstream.once('error', () => {
      clearTimeout(timer);
      reject(refusal('UNAVAILABLE', 'The service is unavailable. Try again soon.', { status: 503 }));
    });
    upstream.once('response', (answer) => {
      for (const [name, value] of Object.entries(answer.headers)) {
        if (!NOT_RETURNED.has(name)) res.setHeader(name, value);
      }
      res.writeHead(answer.statusCode);
      pipeline(answer, res, () => {
        clearTimeout(timer);
        res.off('close', abandon);
        resolve();
      });
    });
    upstream.end(body);
  });
}
