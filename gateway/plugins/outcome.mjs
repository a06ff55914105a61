// The last look at every result: public error codes with the request id, counted and logged once.
import { isAsyncIterable } from '@graphql-tools/utils';
import { mapAsyncIterator } from '@whatwg-node/promise-helpers';
import { Kind, getOperationAST, isNonNullType } from 'graphql';
import { collectFields } from 'graphql/execution/collectFields.js';

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
    onExecute() {
      return {
        onExecuteDone({ args, result, setResult }) {
          if (!isAsyncIterable(result) && result?.errors?.length && result.data === undefined) {
            setResult({ ...result, data: withoutAnswers(args) });
          }
        },
      };
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

// When no subgraph answered, the executor leaves `data` out; the specification wants each nullable
// root field as null, or `data: null` when one of them may not be null.
function withoutAnswers({ schema, document, operationName, variableValues }) {
  const operation = getOperationAST(document, operationName);
  const root = schema.getRootType(operation.operation);
  const fragments = {};
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) {
      fragments[definition.name.value] = definition;
    }
  }
  const variables = variableValues ?? {};
  const fields = collectFields(schema, fragments, variables, root, operation.selectionSet);
  const data = {};
  for (const [key, [field]] of fields) {
    const type = root.getFields()[field.name.value]?.type;
    if (isNonNullType(type)) return null;
    data[key] = field.name.value === '__typename' ? root.name : null;
  }
  return data;
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
