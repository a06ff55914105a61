// What a client may learn of a failing subgraph: a public code and a fixed sentence, never its text.
import { GraphQLError } from 'graphql';
import { BrokenCircuitError } from 'cockatiel';
import { isAsyncIterable } from '@graphql-tools/utils';
import { mapAsyncIterator } from '@whatwg-node/promise-helpers';

import {
  INTERNAL_MESSAGE,
  PUBLIC_CODES,
  TIMEOUT_MESSAGE,
  UNAVAILABLE_MESSAGE,
} from '../refusals.mjs';
import { isOutage, isTimeout } from './resilience.mjs';

const CODE_SHAPE = /^[A-Z][A-Z0-9_]{1,39}$/;
const MESSAGES = {
  UNAVAILABLE: UNAVAILABLE_MESSAGE,
  TIMEOUT: TIMEOUT_MESSAGE,
  INTERNAL: INTERNAL_MESSAGE,
};

/** Register after the resilience plugin, so that it wraps it and sees the final outcome. */
export function useSubgraphErrors({ metrics, log }) {
  function clean({ subgraph, call, clientLeft }, error) {
    const { code, details, public: marked } = error.extensions ?? {};
    if (PUBLIC_CODES.has(code) || (marked === true && CODE_SHAPE.test(code))) {
      metrics.subgraphErrors.inc({ subgraph, code: PUBLIC_CODES.has(code) ? code : 'OTHER' });
      const extensions = { code };
      if (marked === true) extensions.public = true;
      if (details) extensions.details = details;
      return new GraphQLError(error.message, { path: error.path, extensions });
    }
    const kind = kindOf(error);
    // When the client has left, the subgraph did nothing wrong, and nobody reads the answer.
    if (clientLeft) return new GraphQLError(MESSAGES[kind], { extensions: { code: kind } });
    metrics.subgraphErrors.inc({ subgraph, code: kind });
    log.warn(
      {
        requestId: call?.id,
        traceId: call?.traceId,
        subgraph,
        code: kind,
        path: error.path?.join('.'),
        status: error.extensions?.response?.status,
        // The text of a resolver's own error can hold anything; the subgraph logs it, we do not.
        cause: kind === 'INTERNAL' ? undefined : (error.originalError ?? error).message,
      },
      'subgraph error',
    );
    return new GraphQLError(MESSAGES[kind], { path: error.path, extensions: { code: kind } });
  }

  return {
    onSubgraphExecute({ subgraphName, executor, setExecutor }) {
      setExecutor(async (request) => {
        const { context, signal } = request;
        const cleaned = (error) =>
          clean(
            { subgraph: subgraphName, call: context?.call, clientLeft: signal?.aborted },
            error,
          );
        const cleanResult = (result) => {
          if (!result?.errors?.length) return result;
          return { ...result, errors: result.errors.map(cleaned) };
        };
        const failed = (reason) => {
          // A socket fails with an event, or the close of it, instead of an error.
          const error = reason instanceof Error ? reason : new Error('the connection failed');
          return { data: null, errors: [cleaned(error)] };
        };
        try {
          const result = await executor(request);
          return isAsyncIterable(result)
            ? mapAsyncIterator(result, cleanResult, failed)
            : cleanResult(result);
        } catch (error) {
          return failed(error);
        }
      });
    },
  };
}

function kindOf(error) {
  if (isTimeout(error)) return 'TIMEOUT';
  if (error instanceof BrokenCircuitError || isOutage(error)) return 'UNAVAILABLE';
  // Without a code of GraphQL's own, an error that wraps another one comes from the connection.
  const status = error.extensions?.response?.status;
  const unreachable = !(error instanceof GraphQLError) || error.originalError || !error.message;
  return unreachable && status === undefined ? 'UNAVAILABLE' : 'INTERNAL';
}
