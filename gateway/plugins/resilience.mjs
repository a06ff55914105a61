// Keeps one bad subgraph from hurting the rest: a deadline, one retry of queries, a circuit breaker.
import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleType,
} from 'cockatiel';
import { isAsyncIterable } from '@graphql-tools/utils';

const RETRY_DELAY_MS = 50;
const GATEWAY_STATUSES = new Set([502, 503, 504]);
const NO_USABLE_ANSWER = new Set(['SUBREQUEST_HTTP_ERROR', 'RESPONSE_VALIDATION_FAILED']);

/** A subgraph did not give a usable answer; `result` or `error` is what came instead. */
class Outage extends Error {
  constructor({ result, error }) {
    super('a subgraph gave no usable answer', { cause: error });
    this.result = result;
  }
}

/**
 * Mutations are never repeated. Queries are repeated once, unless the time is up, and only if the
 * subgraph cannot have answered. After `breakerFailures` outages in a row a subgraph is left alone
 * for `breakerResetMs`; then one request tries it.
 */
export function useResilience({ config, metrics, log }) {
  const breakers = new Map();
  const breakerOf = (name) => {
    let breaker = breakers.get(name);
    if (!breaker) {
      breaker = circuitBreaker(handleType(Outage), {
        halfOpenAfter: config.breakerResetMs,
        breaker: new ConsecutiveBreaker(config.breakerFailures),
      });
      breaker.onStateChange((state) => {
        metrics.breakerOpen.set({ subgraph: name }, state === CircuitState.Closed ? 0 : 1);
        log.warn({ subgraph: name, state: CircuitState[state] }, 'circuit breaker changed');
      });
      metrics.breakerOpen.set({ subgraph: name }, 0);
      breakers.set(name, breaker);
    }
    return breaker;
  };
  const timeoutOf = (name) => config.subgraphTimeouts.get(name) ?? config.subgraphTimeoutMs;

  return {
    onSubgraphExecute({ subgraphName, executor, setExecutor }) {
      setExecutor(async (request) => {
        if (request.operationType === 'subscription') return executor(request);
        const breaker = breakerOf(subgraphName);
        // While one request tries the subgraph, the others are answered at once, not queued.
        if (breaker.state === CircuitState.HalfOpen) throw new BrokenCircuitError();
        const stopwatch = metrics.subgraphSeconds.startTimer({ subgraph: subgraphName });
        try {
          return await breaker.execute(() => attempt(request, executor, timeoutOf(subgraphName)));
        } catch (error) {
          if (error instanceof Outage && error.result) return error.result;
          throw error instanceof Outage ? error.cause : error;
        } finally {
          stopwatch();
        }
      });
    },
  };
}

async function attempt(request, executor, timeoutMs) {
  const deadline = new AbortController();
  const { signal: outer } = request;
  const cancel = () => deadline.abort(outer.reason);
  if (outer?.aborted) cancel();
  else outer?.addEventListener('abort', cancel, { once: true });
  const expire = () => deadline.abort(new DOMException('subgraph timeout', 'TimeoutError'));
  const timer = setTimeout(expire, timeoutMs);
  try {
    const bounded = { ...request, signal: deadline.signal };
    const first = await outcomeOf(executor, bounded);
    const mayRepeat = request.operationType === 'query' && first.unanswered;
    if (!mayRepeat || deadline.signal.aborted) return settle(first, outer);
    await sleep(RETRY_DELAY_MS * (0.5 + Math.random()));
    if (deadline.signal.aborted) return settle(first, outer);
    return settle(await outcomeOf(executor, bounded), outer);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', cancel);
  }
}

async function outcomeOf(executor, request) {
  try {
    const result = await executor(request);
    if (isAsyncIterable(result)) return { result };
    const fault = result?.errors?.find(isOutage);
    const status = fault?.extensions?.response?.status;
    const timedOut = fault && isTimeout(fault);
    return {
      result,
      outage: fault !== undefined,
      unanswered: fault && !timedOut && (status === undefined || GATEWAY_STATUSES.has(status)),
    };
  } catch (error) {
    return { error, outage: true, unanswered: !isTimeout(error) };
  }
}

// A call that its own client gave up says nothing about the subgraph.
function settle({ result, error, outage }, outer) {
  if (outage && !outer?.aborted) throw new Outage({ result, error });
  if (error) throw error;
  return result;
}

/** Is this error about reaching the subgraph, and not one that its resolvers reported? */
export function isOutage(error) {
  if (isTimeout(error)) return true;
  const status = error.extensions?.response?.status;
  return NO_USABLE_ANSWER.has(error.extensions?.code) && (status === undefined || status >= 500);
}

/** Did the time run out? */
export function isTimeout(error) {
  return error?.name === 'TimeoutError' || error?.originalError?.name === 'TimeoutError';
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
