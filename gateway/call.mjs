// What the router knows about one client call: its id, who sent it, and the trace it belongs to.
import { randomBytes, randomUUID } from 'node:crypto';
import { isIP } from 'node:net';

const REQUEST_ID = /^[A-Za-z0-9-]{8,64}$/;
const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Start the record of one call; the plugins fill in `viewer` and `authorization`. */
export function newCall(req, { trustedProxies, transport }) {
  // The headers of a WebSocket belong to the connection; each operation on it is a call of its own.
  const headers = transport === 'ws' ? {} : req.headers;
  const parent = TRACEPARENT.exec(headers.traceparent ?? '');
  const traceparent = parent
    ? parent[0]
    : `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`;
  return {
    id: requestId(headers['x-request-id']),
    ip: clientIp(req, trustedProxies),
    transport,
    traceparent,
    traceId: traceparent.slice(3, 35),
    remoteParent: parent !== null,
    language: req.headers['accept-language'],
    userAgent: req.headers['user-agent']?.slice(0, 1000),
    startedAt: performance.now(),
    operationType: undefined,
    viewer: undefined,
    authorization: undefined,
    span: undefined,
  };
}

/** The client's id when it is safe to log and to pass on, else a new one. */
export function requestId(value) {
  return REQUEST_ID.test(value ?? '') ? value : randomUUID();
}

/**
 * The client's address: with n trusted proxies, the n-th entry of X-Forwarded-For from the right.
 * Entries further left were written by the client and prove nothing.
 */
export function clientIp(req, trustedProxies) {
  const peer = plain(req.socket.remoteAddress ?? '0.0.0.0');
  if (trustedProxies === 0) return peer;
  const chain = String(req.headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((entry) => plain(entry.trim()))
    .filter((entry) => entry !== '');
  const candidate = [...chain, peer].at(-1 - trustedProxies) ?? chain[0] ?? peer;
  return isIP(candidate) ? candidate : peer;
}

const plain = (address) => address.replace(/^::ffff:(?=\d+\.)/i, '');
