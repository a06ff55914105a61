// GraphQL over WebSocket (graphql-transport-ws) for clients: queries, mutations, subscriptions.
import { getGraphQLWSOptions } from '@graphql-hive/gateway-runtime';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

import { newCall } from './call.mjs';

/** Attach the socket endpoint to the public server; `dispose()` says goodbye to every client. */
export function attachSockets({ server, gateway, config, state, metrics, log }) {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: config.limits.bodyBytes });
  const options = getGraphQLWSOptions(gateway, (ctx) => {
    const req = ctx.extra.request;
    const given = ctx.connectionParams ?? {};
    return {
      req,
      socket: ctx.extra.socket,
      // The upgrade is a GET, and by GET mutations are refused; the operation itself is a message.
      request: new gateway.fetchAPI.Request('http://router/graphql', { method: 'POST' }),
      call: newCall(req, { trustedProxies: config.trustedProxies, transport: 'ws' }),
      offeredAuthorization: given.authorization ?? given.Authorization ?? req.headers.authorization,
      openOperations: Object.keys(ctx.subscriptions).length,
    };
  });
  const endpoint = useServer(options, sockets);

  sockets.on('connection', (socket) => {
    metrics.sockets.inc();
    socket.on('error', (error) => log.debug({ error: error.message }, 'client socket failed'));
    socket.on('close', () => metrics.sockets.dec());
  });
  server.on('upgrade', (req, socket, head) => {
    socket.on('error', (error) => log.debug({ error: error.message }, 'upgrade failed'));
    const status = refuseUpgrade(req, { config, state });
    if (status) socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    else sockets.handleUpgrade(req, socket, head, (ws) => sockets.emit('connection', ws, req));
  });
  return endpoint;
}

// Browsers do not apply CORS to sockets, so the origin is checked here.
function refuseUpgrade(req, { config, state }) {
  if (req.url.split('?')[0] !== '/graphql') return '404 Not Found';
  const { origin, host } = req.headers;
  const sameOrigin = URL.canParse(origin) && new URL(origin).host === host;
  if (origin && !sameOrigin && !config.corsOrigins.has(origin)) return '403 Forbidden';
  return state.ready() ? undefined : '503 Service Unavailable';
}
