// Decides per operation, before any work: who calls, how often, and which document may run.
import { GraphQLError } from 'graphql';

import { readBody } from '../body.mjs';
import { rateKey } from '../rate-limit.mjs';
import { overLimit, refusal } from '../refusals.mjs';

/**
 * HTTP calls are admitted before their body is read. WebSocket operations are admitted one by one,
 * and refused with a result: throwing there would close the socket with all its subscriptions.
 */
export function useAdmission({ config, authenticate, rateLimiter, findDocument }) {
  return {
    async onRequestParse({ serverContext, request, setRequestParser }) {
      const { call, req, res } = serverContext;
      await authenticate(call, req.headers.authorization);
      await rateLimiter.take(rateKey(call), (name, value) => res.setHeader(name, value));
      if (request.method === 'POST') {
        setRequestParser(async () => parseJson(await readBody(req, config.limits.bodyBytes)));
      }
    },
    async onParams({ context, params, setParams, setResult }) {
      const { call } = context;
      try {
        if (call.transport === 'ws') {
          const { subscriptions } = config.limits;
          if (context.openOperations > subscriptions) {
            throw overLimit('MAX_SUBSCRIPTIONS_PER_SOCKET', subscriptions, context.openOperations);
          }
          await authenticate(call, context.offeredAuthorization);
          await rateLimiter.take(rateKey(call));
        }
        const query = findDocument(params, call);
        const { variables, operationName } = params;
        setParams({ query, variables, operationName });
      } catch (error) {
        if (call.transport === 'http' || !(error instanceof GraphQLError)) throw error;
        setResult({ errors: [error] });
      }
    },
  };
}

function parseJson(body) {
  let params;
  try {
    params = JSON.parse(body.toString('utf8'));
  } catch {
    throw refusal('INVALID_INPUT', 'The request body is not valid JSON.', { status: 400 });
  }
  if (Array.isArray(params)) {
    throw refusal('INVALID_INPUT', 'Batches are not accepted: send one operation per request.', {
      status: 400,
    });
  }
  if (params === null || typeof params !== 'object') {
    throw refusal('INVALID_INPUT', 'The request body must be a JSON object.', { status: 400 });
  }
  return params;
}
