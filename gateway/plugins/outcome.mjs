// The last look at every result: public error codes with the request id, counted and logged once.
import { isAsyncIterable } from '@graphql-tools/utils';
import { mapAsyncIterator } from '@whatwg-node/promise-helpers';
import { getOperationAST } from 'graphql';

import { publish } from '../refusals.mjs';

/** Works for HTTP, SSE and WebSocket; results that never reached execution are caught as well. */
export function useOutcome({ config, metrics, log }) {
  const options = { hideSuggestions: !config.development, log };
  const published = new WeakSet();

  function face(result, call) {
    if (!result || published.has(result)) return result;
    const fresh = publish(result, call, options);
    for (const error of fresh.errors ?? []) metrics.errors.inc({ code: label(error) });
    published.add(fresh);
    return fresh;
  }

  return {
    onValidate({ params, context }) {
      const operation = getOperationAST(params.documentAST, context.params?.operationName);
      context.call.operationType = operation?.operation;
    },
    onExecutionResult({ result, setResult, context }) {
      const { call } = context;
      if (isAsyncIterable(result)) {
        metrics.subscriptions.inc();
        setResult(endWith(mapAsyncIterator(result, (next) => face(next, call)), () =>
          metrics.subscriptions.dec(),
        ));
        return;
      }
      setResult(face(result, call));
      if (call.transport === 'ws') logOperation(log, call);
    },
    onResultProcess({ result, setResult, serverContext }) {
      if (!isAsyncIterable(result)) setResult(face(result, serverContext.call));
    },
  };
}

function logOperation(log, call) {
  log.info(
    {
      requestId: call.id,
      traceId: call.traceId,
      userId: call.viewer?.id,
      operationType: call.operationType,
      milliseconds: Math.round(performance.now() - call.startedAt),
    },
    'operation',
  );
}

const KNOWN = /^[A-Z_]{1,40}$/;
const label = (error) => (KNOWN.test(error.extensions.code) ? error.extensions.code : 'OTHER');

// Runs `done` exactly once, whether the stream ends, fails or is cancelled by its client.
function endWith(iterator, done) {
  let open = true;
  const finish = () => {
    if (open) done();
    open = false;
  };
  const wrap = (promise) =>
    promise.then(
      (step) => {
        if (step.done) finish();
        return step;
      },
      (error) => {
        finish();
        throw error;
      },
    );
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => wrap(Promise.resolve(iterator.next())),
    return: (value) => {
      finish();
      return Promise.resolve(iterator.return?.(value) ?? { done: true, value });
    },
    throw: (error) => {
      finish();
      return Promise.resolve(iterator.throw?.(error) ?? Promise.reject(error));
    },
  };
}
