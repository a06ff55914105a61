// Settings of the router: environment variables in, one frozen object out, or one line per error.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse as parseYaml } from 'yaml';

import { readContract } from './contracts.mjs';

/** What the process exits with when it cannot run as it was told to. */
export const EXIT_CONFIGURATION = 3;

const HERE = fileURLToPath(new URL('.', import.meta.url));
const DOCUMENT_HASH = /^[0-9a-f]{64}$/;
const SUBGRAPH_NAME = /^[a-z][a-z0-9_-]*$/;

/** Read every setting; `errors` has one line per missing or malformed variable. */
export function readConfig(env) {
  const errors = [];
  const fail = (name, problem) => {
    errors.push(`${name} ${problem}`);
  };

  const text = (name, fallback) => {
    const value = env[name]?.trim();
    if (value) return value;
    if (fallback === undefined) fail(name, 'is missing: set it, see gateway/README.md');
    return fallback;
  };
  const integer = (name, fallback, { min = 1, max = Number.MAX_SAFE_INTEGER } = {}) => {
    const raw = text(name, fallback === undefined ? undefined : String(fallback));
    if (raw === undefined) return undefined;
    const value = Number(raw);
    if (!/^\d+$/.test(raw) || value < min || value > max) {
      fail(name, `must be a whole number from ${min} to ${max}`);
    }
    return value;
  };
  const oneOf = (name, choices, fallback) => {
    const value = text(name, fallback);
    if (!choices.includes(value)) fail(name, `must be one of ${choices.join(', ')}`);
    return value;
  };
  const list = (name, fallback) =>
    (text(name, fallback) ?? '')
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean);
  const url = (name, protocols, fallback) => {
    const value = text(name, fallback);
    if (!value) return value;
    const parsed = URL.canParse(value) ? new URL(value) : undefined;
    if (!protocols.includes(parsed?.protocol)) {
      fail(name, `must be a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`);
    }
    return value;
  };
  const http = ['http:', 'https:'];

  const environment = oneOf('ROUTER_ENV', ['development', 'production'], 'production');
  const development = environment === 'development';
  const secrets = list('GATEWAY_SECRET');
  for (const secret of secrets) {
    if (secret.length < 32) {
      fail('GATEWAY_SECRET', 'must be one or more secrets of at least 32 characters, with commas');
    }
  }
  const corsOrigins = list('CORS_ORIGINS', '');
  for (const origin of corsOrigins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      fail('CORS_ORIGINS', 'must be origins such as https://app.example.org, with commas');
    }
  }
  const contract = readContractSettings(env, { text, fail });
  // A contract's router takes its tokens alone.
  const jwtAudience = env.CONTRACT?.trim() ? [contract.contract?.audience] : list('JWT_AUDIENCE');
  const forPartners = contract.contract?.sizes !== undefined;

  const config = {
    environment,
    development,
    // The same values as the subgraphs take.
    logLevel: oneOf('LOG_LEVEL', ['DEBUG', 'INFO', 'WARNING', 'ERROR'], 'INFO')
      ?.toLowerCase()
      .replace('warning', 'warn'),
    host: text('ROUTER_HOST', '127.0.0.1'),
    port: integer('ROUTER_PORT', undefined, { min: 0, max: 65_535 }),
    adminHost: text('ROUTER_ADMIN_HOST', '127.0.0.1'),
    adminPort: integer('ROUTER_ADMIN_PORT', undefined, { min: 0, max: 65_535 }),
    introspection:
      oneOf('ROUTER_INTROSPECTION', ['on', 'off'], development || forPartners ? 'on' : 'off') === 'on',
    drainMs: integer('DRAIN_TIMEOUT_MS', 30_000),
    trustedProxies: integer('TRUSTED_PROXIES', 0, { min: 0, max: 10 }),
    corsOrigins: new Set(corsOrigins),

    supergraphUrl: url('SUPERGRAPH_URL', http),
    supergraphPollMs: integer('SUPERGRAPH_POLL_MS', 10_000, { min: 100 }),
    subgraphBaseUrl: url('SUBGRAPH_BASE_URL', http, '')?.replace(/\/+$/, ''),

    jwksUrl: url('JWKS_URL', http),
    jwtIssuer: text('JWT_ISSUER'),
    jwtAudience,
    jwksCooldownMs: integer('JWKS_COOLDOWN_MS', 30_000, { min: 0 }),
    jwksMaxAgeMs: integer('JWKS_MAX_AGE_MS', 300_000),
    secrets,

    subgraphTimeoutMs: integer('SUBGRAPH_TIMEOUT_MS', 5_000),
    subgraphTimeouts: readTimeouts(list('SUBGRAPH_TIMEOUTS', ''), fail),
    breakerFailures: integer('BREAKER_FAILURES', 5),
    breakerResetMs: integer('BREAKER_RESET_MS', 5_000),

    limits: {
      depth: integer('MAX_DEPTH', 12),
      tokens: integer('MAX_TOKENS', 2_000),
      aliases: integer('MAX_ALIASES', 30),
      directives: integer('MAX_DIRECTIVES', 30),
      cost: integer('MAX_COST', 10_000),
      pageSize: integer('MAX_PAGE_SIZE', 100),
      bodyBytes: integer('MAX_BODY_BYTES', 262_144),
      subscriptions: integer('MAX_SUBSCRIPTIONS_PER_SOCKET', 50),
    },

    ...contract,
    // The quotas of partners are part of their contract.
    valkeyUrl: url(
      'VALKEY_URL',
      ['redis:', 'rediss:', 'valkey:', 'valkeys:'],
      forPartners ? undefined : '',
    ),
    rateLimitPerMinute: integer('RATE_LIMIT_PER_MINUTE', 600),
    rateLimitBurst: integer('RATE_LIMIT_BURST', 100),

    otlpEndpoint: url('OTEL_EXPORTER_OTLP_ENDPOINT', http, '')?.replace(/\/+$/, ''),
    traceRatio: ratio('OTEL_TRACES_SAMPLER_ARG', text('OTEL_TRACES_SAMPLER_ARG', '1'), fail),
    serviceName: text('OTEL_SERVICE_NAME', 'router'),

    // Partners ask in their own words; the web app's documents would name what is not theirs.
    trustedDocuments: forPartners
      ? undefined
      : readTrustedDocuments(text('TRUSTED_DOCUMENTS', ''), fail),
    ...readRegistry(text('SUPERGRAPH_CONFIG', `${HERE}supergraph.yaml`), { forPartners, fail }),
  };
  return { config: Object.freeze(config), errors };
}

function ratio(name, raw, fail) {
  const value = Number(raw);
  if (!(value >= 0 && value <= 1)) fail(name, 'must be a number from 0 to 1');
  return value;
}

function readTimeouts(entries, fail) {
  const timeouts = new Map();
  for (const entry of entries) {
    const [name, ms] = entry.split('=');
    if (!SUBGRAPH_NAME.test(name) || !/^[1-9]\d*$/.test(ms ?? '')) {
      fail('SUBGRAPH_TIMEOUTS', 'must look like identity=3000,payment=8000 (milliseconds)');
      break;
    }
    timeouts.set(name, Number(ms));
  }
  return timeouts;
}

function readTrustedDocuments(path, fail) {
  if (!path) return undefined;
  try {
    const entries = Object.entries(JSON.parse(readFileSync(path, 'utf8')));
    if (entries.every(([hash, body]) => DOCUMENT_HASH.test(hash) && typeof body === 'string')) {
      return new Map(entries);
    }
    fail('TRUSTED_DOCUMENTS', 'must name a JSON file of {sha-256 in lower case hex: document}');
  } catch (error) {
    fail('TRUSTED_DOCUMENTS', `cannot be read: ${error.message}`);
  }
  return undefined;
}

function readContractSettings(env, { text, fail }) {
  const name = text('CONTRACT', '');
  if (!name) return {};
  const contractsFile = text('CONTRACTS_FILE', `${HERE}../schema/contracts.yaml`);
  try {
    const contract = readContract(contractsFile, name);
    if (!contract) fail('CONTRACT', `is ${name}, which ${contractsFile} does not name`);
    return { contract, contractsFile };
  } catch (error) {
    fail('CONTRACTS_FILE', `${contractsFile} cannot be used: ${error.message.split('\n')[0]}`);
    return {};
  }
}

function readRegistry(path, { forPartners, fail }) {
  const subgraphUrls = new Map();
  const publicRoutes = [];
  const seen = new Set();
  try {
    const { subgraphs } = parseYaml(readFileSync(path, 'utf8'));
    for (const [name, entry] of Object.entries(subgraphs)) {
      if (!SUBGRAPH_NAME.test(name)) throw new Error(`${name} is no subgraph name`);
      if (!URL.canParse(entry?.url)) throw new Error(`subgraphs.${name}.url is no URL`);
      subgraphUrls.set(name, entry.url);
      for (const route of entry.public ?? []) {
        const { method, path: pattern } = route;
        const ok = Array.isArray(method) && method.length > 0 && pattern?.startsWith('/');
        if (!ok) throw new Error(`subgraphs.${name}.public needs method: [GET] and path: /…`);
        for (const verb of method) {
          const key = `${verb} ${pattern.replaceAll(/\{[^}/]+\}/g, '{}')}`;
          if (seen.has(key)) throw new Error(`two subgraphs claim ${verb} ${pattern}`);
          seen.add(key);
        }
        // Partners get their tokens at their own router, and reach nothing else beside the graph.
        if (forPartners && route.partners !== true) continue;
        publicRoutes.push({ subgraph: name, methods: method, pattern });
      }
    }
  } catch (error) {
    fail('SUPERGRAPH_CONFIG', `${path} cannot be used: ${error.message.split('\n')[0]}`);
  }
  return { subgraphUrls, publicRoutes };
}
