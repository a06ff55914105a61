// The router: wires the parts, listens, and drains on SIGTERM.
import { createServer } from 'node:http';
import { once } from 'node:events';

import { createGatewayRuntime } from '@graphql-hive/gateway-runtime';
// Imported by name: without it the gateway would fall back to a slower planner, silently.
import { unifiedGraphHandler } from '@graphql-hive/router-runtime';
import httpTransport from '@graphql-mesh/transport-http';
import wsTransport from '@graphql-mesh/transport-ws';

import { createAdminServer } from './admin.mjs';
import { createAuthenticator } from './auth.mjs';
import { EXIT_CONFIGURATION } from './config.mjs';
import { followContract } from './contracts.mjs';
import { createFront } from './front.mjs';
import { createLog } from './log.mjs';
import { createMetrics } from './metrics.mjs';
import { createPartners, usePartnerCosts } from './partners.mjs';
import { useAdmission } from './plugins/admission.mjs';
import { SUBGRAPH_TRANSPORTS, useForwarding } from './plugins/forward.mjs';
import { useLimits } from './plugins/limits.mjs';
import { useOutcome } from './plugins/outcome.mjs';
import { useResilience } from './plugins/resilience.mjs';
import { useSubgraphErrors } from './plugins/subgraph-errors.mjs';
import { createRateLimiter } from './rate-limit.mjs';
import { maskError } from './refusals.mjs';
import { attachSockets } from './sockets.mjs';
import { createSupergraph } from './supergraph.mjs';
import { createTracing } from './tracing.mjs';
import { createDocumentFinder } from './trusted-documents.mjs';

/** Serve as the settings say; the process ends after the drain, or when it cannot listen. */
export async function start(config) {
  const log = createLog(config.logLevel);
  const metrics = createMetrics();
  const tracing = await createTracing(config);
  const supergraph = createSupergraph(config, { log, metrics });
  const rateLimiter = createRateLimiter(config, { log, metrics });
  const contract = config.contract && followContract(config, { log });
  const partners =
    config.contract?.sizes && createPartners({ contract, rateLimiter, log, metrics });
  const state = { draining: false, ready: () => !state.draining && loaded };
  let loaded = false;

  const gateway = createGatewayRuntime({
    // Polling is ours: the gateway is told when there is a new text that was found good.
    supergraph: async () => supergraph.current(),
    gracefulSchemaReload: { drainTimeout: 30_000 },
    unifiedGraphHandler,
    transports: { http: httpTransport, ws: wsTransport },
    transportEntries: SUBGRAPH_TRANSPORTS,
    upstreamCancellation: true,
    executionCancellation: true,
    // Never upstreamTimeout with upstreamRetry: together they end the process when clients leave.
    subgraphErrors: false,
    maskedErrors: { maskError },
    requestId: false,
    batching: false,
    cors: false,
    graphiql: false,
    landingPage: false,
    logging: log,
    // Each later plugin wraps the subgraph executor of the earlier ones.
    plugins: () => [
      useAdmission({
        config,
        rateLimiter,
        partners,
        authenticate: createAuthenticator(config, { log, metrics }),
        findDocument: createDocumentFinder(config),
      }),
      // Before the outcome: what is refused here has no data, not even nulls.
      ...(partners ? [usePartnerCosts({ partners })] : []),
      useOutcome({ config, metrics, log }),
      useLimits({ config, contract }),
      useForwarding({ secret: config.secrets[0], tracing }),
      tracing.plugin,
      useResilience({ config, metrics, log }),
      useSubgraphErrors({ metrics, log }),
    ],
  });
  // The gateway would cut requests off on a signal; the drain below lets them finish.
  for (const signal of ['SIGTERM', 'SIGINT']) process.removeAllListeners(signal);

  const active = new Set();
  const front = createFront({
    config, gateway, state, active, rateLimiter, tracing, metrics, log,
  });
  const server = createServer({ keepAliveTimeout: 65_000, requestTimeout: 30_000 }, front);
  const sockets = attachSockets({ server, gateway, config, state, metrics, log });
  const admin = createAdminServer({ isReady: () => state.ready(), metrics });

  await listen(server, config.port, config.host, 'ROUTER_PORT');
  await listen(admin, config.adminPort, config.adminHost, 'ROUTER_ADMIN_PORT');
  log.info({ port: server.address().port, adminPort: admin.address().port }, 'listening');
  supergraph.start(async () => {
    await gateway.invalidateUnifiedGraph();
    loaded = true;
  });

  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, drain);

  /** Finish what is running, at most `drainMs` long; subscriptions end, and clients come back. */
  async function drain() {
    if (state.draining) return;
    state.draining = true;
    log.info({ active: active.size }, 'draining');
    supergraph.stop();
    setTimeout(() => process.exit(0), config.drainMs).unref();
    server.close();
    server.closeIdleConnections();
    await sockets.dispose();
    await until(() => [...active].every((call) => call.operationType === 'subscription'));
    // Ends the event streams, each with its closing message.
    await gateway[Symbol.asyncDispose]();
    await until(() => active.size === 0);
    rateLimiter.close();
    await tracing.close();
    log.info('drained');
    process.exit(0);
  }
}

async function listen(target, port, host, name) {
  target.listen(port, host);
  try {
    await once(target, 'listening');
  } catch (error) {
    process.stderr.write(`${name} ${host}:${port} cannot be listened on: ${error.message}\n`);
    process.exit(EXIT_CONFIGURATION);
  }
}

async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 25));
}
