// How often one caller may ask: a GCRA bucket per caller in Valkey, shared by all router processes.
import { Redis } from 'ioredis';

import { refusal } from './refusals.mjs';

// Returns {allowed, wait ms, remaining, ms until the bucket is full}; the clock is the server's.
const GCRA = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local period, burst, amount = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full = tonumber(redis.call('GET', KEYS[1]) or now)
if full < now then full = now end
local next_full = full + period * amount
local allow_at = next_full - period * burst
if allow_at > now then return {0, math.ceil(allow_at - now), 0, math.ceil(full - now)} end
redis.call('SET', KEYS[1], next_full, 'PX', math.ceil(next_full - now))
return {1, 0, math.floor((now - allow_at) / period), math.ceil(next_full - now)}`;

/**
 * Build `take(key, {budget, amount, setHeader})`: it takes `amount` (1) out of the caller's budget,
 * the router's own unless another is given, and throws RATE_LIMITED (429) when there is too little.
 * The answer says what is left. Without Valkey every call passes, and there is no answer.
 */
export function createRateLimiter(config, { log, metrics }) {
  if (!config.valkeyUrl) return { take: async () => {}, close: () => {} };

  const own = { perMinute: config.rateLimitPerMinute, burst: config.rateLimitBurst };
  const valkey = new Redis(config.valkeyUrl.replace(/^valkey/, 'redis'), {
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    commandTimeout: 100,
    connectTimeout: 2_000,
    retryStrategy: (attempt) => Math.min(attempt * 100, 2_000),
  });
  valkey.defineCommand('gcra', { numberOfKeys: 1, lua: GCRA });
  let down = false;
  valkey.on('error', (error) => {
    if (!down) log.warn({ error: error.message }, 'rate limits are off: Valkey cannot be reached');
    down = true;
  });
  valkey.on('ready', () => {
    if (down) log.info('rate limits are on again');
    down = false;
  });

  async function take(key, { budget = own, amount = 1, setHeader } = {}) {
    const { perMinute, burst, name } = budget;
    const bucket = name ? `router:${name}:${key}` : `router:rate:${key}`;
    let answer;
    try {
      answer = await valkey.gcra(bucket, 60_000 / perMinute, burst, amount);
    } catch {
      // Losing the limits for a while is better than losing the platform.
      metrics.rateLimitFailures.inc();
      return undefined;
    }
    const [allowed, waitMs, remaining, resetMs] = answer;
    setHeader?.('ratelimit-limit', String(burst));
    setHeader?.('ratelimit-remaining', String(remaining));
    setHeader?.('ratelimit-reset', String(Math.ceil(resetMs / 1000)));
    if (allowed === 1) return { name, remaining, seconds: Math.ceil(resetMs / 1000) };
    const seconds = Math.max(1, Math.ceil(waitMs / 1000));
    const message = budget.limit
      ? `The limit ${budget.limit} is ${perMinute}. Try again in ${seconds} s.`
      : `Too many requests. Try again in ${seconds} s.`;
    throw refusal('RATE_LIMITED', message, {
      status: 429,
      headers: { 'retry-after': String(seconds) },
      limit: budget.limit && { name: budget.limit, max: perMinute },
    });
  }
  return { take, close: () => valkey.disconnect() };
}

/** A signed-in caller has one bucket wherever it calls from; others share their address. */
export const rateKey = (call) => (call.viewer ? `user:${call.viewer.id}` : `ip:${call.ip}`);
