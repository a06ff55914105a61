// The router of a partners' contract: whom it lets in, and how much each partner may ask.
import { refusal } from './refusals.mjs';

const challenge = (error) => ({ 'www-authenticate': `Bearer error="${error}"` });

/**
 * Build the two questions of a partner's operation: `admit(call, setHeader)` before any work,
 * `spend(call, cost, setHeader)` once it is known to be valid. Every refusal is logged for audit.
 */
export function createPartners({ contract, rateLimiter, log, metrics }) {
  function refuse(call, reason, error) {
    recordRefusal({ log, metrics }, call, { reason, client: call.viewer?.id });
    throw error;
  }

  async function take(call, budget, amount, setHeader) {
    try {
      const key = `${budget.contract}:${call.viewer.id}`;
      const left = await rateLimiter.take(key, { budget, amount, setHeader });
      if (left) call.quotas.push(left);
    } catch (error) {
      refuse(call, `over_${budget.name}`, error);
    }
  }

  return {
    async admit(call, setHeader) {
      const found = contract.current();
      if (!call.viewer?.partner) {
        const message = 'An access token of a partner is needed.';
        const options = { status: 401, headers: challenge('invalid_token') };
        throw refusal('UNAUTHENTICATED', message, options);
      }
      // Also when it has turned into one that is not for partners.
      if (!found?.sizes) {
        const message = 'This contract is not offered any more.';
        refuse(call, 'contract_withdrawn', refusal('FORBIDDEN', message, { status: 403 }));
      }
      const [scope] = found.scopes;
      if (!call.viewer.scopes.has(scope)) {
        const headers = challenge('insufficient_scope');
        const message = `This needs the scope ${scope}.`;
        refuse(call, 'scope_missing', refusal('FORBIDDEN', message, { status: 403, headers }));
      }
      call.quotas = [];
      await take(call, requestBudget(found), 1, setHeader);
      setHeader?.('ratelimit-policy', policy(found));
      showQuotas(call, setHeader);
    },
    async spend(call, cost, setHeader) {
      const found = contract.current();
      if (!found?.sizes || cost === 0) return;
      // The plain headers speak of requests alone.
      await take(call, costBudget(found), cost);
      showQuotas(call, setHeader);
    },
  };
}

/** One line per refused partner, for audit; never a token. */
export function recordRefusal({ log, metrics }, call, { reason, client }) {
  metrics.partnerRefusals.inc({ reason });
  log.warn({ audit: true, requestId: call.id, clientId: client, reason }, 'partner refused');
}

/** Refuse operations over a partner's cost per minute; before the plugins that see results. */
export function usePartnerCosts({ partners }) {
  async function spend({ args, setResultAndStopExecution }) {
    const { call, res } = args.contextValue;
    const isHttp = call.transport === 'http';
    const setHeader = isHttp ? (name, value) => res.setHeader(name, value) : undefined;
    try {
      await partners.spend(call, call.cost ?? 0, setHeader);
    } catch (error) {
      setResultAndStopExecution({ errors: [error] });
    }
  }
  return { onExecute: spend, onSubscribe: spend };
}

const requestBudget = ({ name, limits }) => ({
  name: 'requests',
  contract: name,
  limit: 'requests_per_minute',
  perMinute: limits.requests_per_minute,
  burst: limits.burst,
});

const costBudget = ({ name, limits }) => ({
  name: 'cost',
  contract: name,
  limit: 'cost_per_minute',
  perMinute: limits.cost_per_minute,
  burst: limits.cost_per_minute,
});

const policy = ({ limits }) =>
  `"requests";q=${limits.requests_per_minute};w=60, "cost";q=${limits.cost_per_minute};w=60`;

// The draft of the RateLimit fields has one list for all budgets.
function showQuotas(call, setHeader) {
  if (!setHeader || !call.quotas?.length) return;
  const item = ({ name, remaining, seconds }) => `"${name}";r=${remaining};t=${seconds}`;
  setHeader('ratelimit', call.quotas.map(item).join(', '));
}
