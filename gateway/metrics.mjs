// Prometheus metrics. No label takes a value that a client chooses, so their number is bounded.
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Every metric of the router, on a registry of its own. */
export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    requestSeconds: new Histogram({
      name: 'router_request_seconds',
      help: 'Time to answer an HTTP request.',
      labelNames: ['route', 'operation', 'status'],
      buckets: SECONDS,
      registers,
    }),
    requestsInProgress: new Gauge({
      name: 'router_requests_in_progress',
      help: 'HTTP requests that are being answered, streams included.',
      registers,
    }),
    errors: new Counter({
      name: 'router_errors_total',
      help: 'GraphQL errors sent to clients.',
      labelNames: ['code'],
      registers,
    }),
    subgraphSeconds: new Histogram({
      name: 'router_subgraph_seconds',
      help: 'Time a subgraph took, a retry included.',
      labelNames: ['subgraph'],
      buckets: SECONDS,
      registers,
    }),
    subgraphErrors: new Counter({
      name: 'router_subgraph_errors_total',
      help: 'Errors of a subgraph by the public code they became.',
      labelNames: ['subgraph', 'code'],
      registers,
    }),
    breakerOpen: new Gauge({
      name: 'router_breaker_open',
      help: '1 while the circuit breaker of a subgraph is not closed.',
      labelNames: ['subgraph'],
      registers,
    }),
    subscriptions: new Gauge({
      name: 'router_subscriptions',
      help: 'Subscriptions that are running.',
      registers,
    }),
    sockets: new Gauge({
      name: 'router_websockets',
      help: 'Open WebSocket connections.',
      registers,
    }),
    supergraphLoads: new Counter({
      name: 'router_supergraph_loads_total',
      help: 'Supergraph polls by result: unchanged, loaded, failed.',
      labelNames: ['result'],
      registers,
    }),
    partnerRefusals: new Counter({
      name: 'router_partner_refusals_total',
      help: 'Calls of partners that a contract refused.',
      labelNames: ['reason'],
      registers,
    }),
    rateLimitFailures: new Counter({
      name: 'router_rate_limit_failures_total',
      help: 'Calls let through because Valkey did not answer.',
      registers,
    }),
  };
}
