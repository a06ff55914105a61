// Decides per operation, before any work: who calls, how often, and which document may run.
import { GraphQLError } from 'graphql';

import { readBody } from '../body.mjs';
import { rateKey } from '../rate-limit.mjs';
import { overLimit, refusal } from '../refusals.mjs';

/**
 * HTTP calls are admitted before their body is read. WebSocket operations are admitted one by one,
 * and refused with a result: throwing there would close the socket with all its subscriptions.
 */
export function useAdmission({ config, authenticate, rateLimiter, partners, findDocument }) {
  // A contract's router lets in partners alone, each with quotas of its own.
  const admit = partners
    ? partners.admit
    : (call, setHeader) => rateLimiter.take(rateKey(call), { setHeader });

  return {
    async onRequestParse({ serverContext, request, setRequestParser }) {
      const { call, req, res } = serverContext;
      await authenticate(call, req.headers.authorization);
      await admit(call, (name, value) => res.setHeader(name, value));
      const isPost = request.method === 'POST';
      setRequestParser(async () =>
        isPost ? parseJson(await readBody(req, config.limits.bodyBytes)) : parseUrl(req.url),
      );
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
          await admit(call);
        }
        const query = findDocument(params, call);
        const { variables, operationName } = checked(params);
        setParams({ query, variables, operationName });
      } catch (error) {
        if (call.transport === 'http' || !(error instanceof GraphQLError)) throw error;
        setResult({ errors: [error] });
      }
    },
  };
}

function checked(params) {
  const { variables, operationName } = params;
  const isObject = typeof variables === 'object' && !Array.isArray(variables);
  if (variables !== undefined && !isObject) {
    throw refusal('INVALID_INPUT', 'The variables must be a JSON object.', { status: 400 });
  }
  if (operationName !== undefined && operationName !== null && typeof operationName !== 'string') {
    throw refusal('INVALID_INPUT', 'The operationName must be a string.', { status: 400 });
  }
  return params;
}

const NAMES = ['query', 'documentId', 'operationName'];
const JSON_NAMES = ['variables', 'extensions'];

function parseUrl(url) {
  const given = new URL(url, 'http://router').searchParams;
  const params = {};
  for (const name of NAMES) if (given.has(name)) params[name] = given.get(name);
  for (const name of JSON_NAMES) if (given.has(name)) params[name] = json(given.get(name), name);
  return params;
}

function json(text, what) {
  try {
    return JSON.parse(text);
  } catch {
    throw refusal('INVALID_INPUT', `The ${what} is not valid JSON.`, { status: 400 });
  }
}

function parseJson(body) {
  const params = json(body.toString('utf8'), 'request body');
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
