// The contract that this router serves, as contracts.yaml has it now: audience, scopes, limits.
import { readFileSync, statSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';

const COUNTS = ['requests_per_minute', 'burst', 'cost', 'cost_per_minute', 'depth', 'aliases'];

/** Read one contract; undefined when the file does not name it. Throws when it cannot be used. */
export function readContract(path, name) {
  const { contracts } = parseYaml(readFileSync(path, 'utf8'));
  if (contracts === null || typeof contracts !== 'object') throw new Error('it names no contracts');
  const found = Object.hasOwn(contracts, name) ? contracts[name] : undefined;
  if (found === undefined) return undefined;
  const scopes = found.scopes ?? [];
  const contract = { name, audience: found.audience ?? name, scopes, limits: found.limits };
  // Without scopes it is no contract for partners, and has the router's own limits.
  if (scopes.length === 0) return contract;
  for (const key of COUNTS) {
    const least = key === 'aliases' ? 0 : 1;
    if (!Number.isSafeInteger(found.limits?.[key]) || found.limits[key] < least) {
      throw new Error(`${name}.limits.${key} must be a whole number from ${least}`);
    }
  }
  const { depth, aliases, cost } = found.limits;
  return { ...contract, sizes: { depth, aliases, cost } };
}

/**
 * Follow the file: `current()` is the contract, or undefined once the file names it no more. A file
 * that cannot be used changes nothing.
 */
export function followContract({ contract, contractsFile, supergraphPollMs }, { log }) {
  let current = contract;
  let seen;

  function look() {
    try {
      const { mtimeMs, size, ino } = statSync(contractsFile);
      const version = `${mtimeMs}:${size}:${ino}`;
      if (version === seen) return;
      const next = readContract(contractsFile, contract.name);
      seen = version;
      if (!next && current) {
        log.warn({ contract: contract.name }, 'the contract is withdrawn: its tokens are refused');
      }
      current = next;
    } catch (error) {
      log.error({ problem: error.message.split('\n')[0] }, 'the contracts cannot be read');
    }
  }

  look();
  const timer = setInterval(look, supergraphPollMs);
  timer.unref();
  return { current: () => current, stop: () => clearInterval(timer) };
}
