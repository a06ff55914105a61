// The listener for operators: liveness, readiness and metrics, on a port that clients do not reach.
import { createServer } from 'node:http';

/** `isReady()` turns readiness; a subgraph that is down does not. */
export function createAdminServer({ isReady, metrics }) {
  const json = (res, status, body) => {
    res.writeHead(status, { 'content-type': 'application/json' });
    res.end(JSON.stringify(body));
  };
  return createServer(async (req, res) => {
    const path = req.url.split('?')[0];
    if (req.method !== 'GET') json(res, 405, { status: 'method not allowed' });
    else if (path === '/health/live') json(res, 200, { status: 'live' });
    else if (path === '/health/ready' || path === '/readiness') {
      const ready = isReady();
      json(res, ready ? 200 : 503, { status: ready ? 'ready' : 'not ready' });
    } else if (path === '/metrics') {
      const text = await metrics.registry.metrics();
      res.writeHead(200, { 'content-type': metrics.registry.contentType });
      res.end(text);
    } else json(res, 404, { status: 'not found' });
  });
}
