// Who is calling: verifies the access token (ES256, keys from JWKS) and remembers the viewer.
import { createLocalJWKSet, createRemoteJWKSet, errors, jwtVerify } from 'jose';

import { recordRefusal } from './partners.mjs';
import { refusal } from './refusals.mjs';

const CHALLENGE = { 'www-authenticate': 'Bearer error="invalid_token"' };

// Failures of the token; every other failure means that the keys could not be had.
const TOKEN_FAULTS = [
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSMultipleMatchingKeys,
  errors.JWKSNoMatchingKey,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JWTClaimValidationFailed,
  errors.JWTExpired,
  errors.JWTInvalid,
];

const isTokenFault = (error) => TOKEN_FAULTS.some((fault) => error instanceof fault);

const unauthenticated = (message) =>
  refusal('UNAUTHENTICATED', message, { status: 401, headers: CHALLENGE });

/**
 * Build `authenticate(call, header)`: no header is an anonymous viewer, a wrong one throws
 * UNAUTHENTICATED (401), and keys that cannot be fetched throw UNAVAILABLE (503).
 */
export function createAuthenticator(config, { log, metrics }) {
  const keys = createRemoteJWKSet(new URL(config.jwksUrl), {
    cooldownDuration: config.jwksCooldownMs,
    cacheMaxAge: config.jwksMaxAgeMs,
    timeoutDuration: 3_000,
  });
  const rules = {
    issuer: config.jwtIssuer,
    audience: config.jwtAudience,
    algorithms: ['ES256'],
    clockTolerance: 5,
    requiredClaims: ['exp', 'sub'],
  };

  let knownKeys;
  let useKnownUntil = 0;

  // Identity may be away for a while: then the keys that were fetched last go on to serve.
  async function verify(token) {
    if (knownKeys && Date.now() < useKnownUntil) return jwtVerify(token, knownKeys, rules);
    try {
      return await jwtVerify(token, keys, rules);
    } catch (error) {
      const known = keys.jwks();
      if (isTokenFault(error) || !known) throw error;
      log.warn({ error: error.message }, 'the signing keys cannot be fetched: the known ones serve');
      knownKeys = createLocalJWKSet(known);
      useKnownUntil = Date.now() + config.jwksCooldownMs;
      return jwtVerify(token, knownKeys, rules);
    }
  }

  return async function authenticate(call, header) {
    if (header === undefined || header === null || header === '') return;
    const [scheme, token, ...rest] = String(header).trim().split(/\s+/);
    if (scheme.toLowerCase() !== 'bearer' || !token || rest.length > 0) {
      throw unauthenticated('The authorization header must be "Bearer <access token>".');
    }
    try {
      const { payload } = await verify(token);
      call.viewer = {
        id: payload.sub,
        partner: typeof payload.client_id === 'string',
        scopes: new Set(String(payload.scope ?? '').split(' ')),
      };
      call.authorization = `Bearer ${token}`;
    } catch (error) {
      if (isTokenFault(error)) {
        // Its signature is right, so this is a partner at the wrong door.
        const client = error.claim === 'aud' ? error.payload?.client_id : undefined;
        if (client) recordRefusal({ log, metrics }, call, { reason: 'wrong_contract', client });
        throw unauthenticated('The access token is invalid or has expired.');
      }
      log.error({ requestId: call.id, error }, 'the signing keys cannot be fetched');
      throw refusal('UNAVAILABLE', 'Sign-in cannot be checked at the moment. Try again soon.', {
        status: 503,
        headers: { 'retry-after': '5' },
      });
    }
  };
}
