// Composes subgraphs: {"subgraphs": [{name, url, sdl}]} on stdin, the outcome as JSON on stdout.
import { text } from 'node:stream/consumers';

import { composeServices, sortSDL } from '@theguild/federation-composition';
import { parse, print } from 'graphql';

/** Compose; failures are data, in a stable order: `{supergraphSdl, publicSdl, errors}`. */
export function compose(subgraphs) {
  const services = [];
  const errors = [];
  for (const { name, url, sdl } of subgraphs) {
    try {
      services.push({ name, url, typeDefs: parse(sdl) });
    } catch (error) {
      errors.push({ code: 'INVALID_GRAPHQL', message: error.message, subgraph: name });
    }
  }
  if (errors.length > 0) return { supergraphSdl: null, publicSdl: null, errors };

  // The result must not depend on the order in which the caller lists the subgraphs.
  services.sort((a, b) => (a.name < b.name ? -1 : 1));
  const result = composeServices(services);
  if (result.errors) {
    return { supergraphSdl: null, publicSdl: null, errors: result.errors.map(describe) };
  }
  return {
    supergraphSdl: ended(result.supergraphSdl),
    publicSdl: ended(print(sortSDL(parse(result.publicSdl)))),
    errors: [],
  };
}

function describe(error) {
  const { code = 'COMPOSITION_ERROR', subgraphName } = error.extensions ?? {};
  // The library names the subgraph either apart or as "[name] " in front of the message.
  const subgraph = subgraphName ?? /^\[([a-z0-9_-]+)\]/i.exec(error.message)?.[1];
  return { code, message: error.message, ...(subgraph ? { subgraph } : {}) };
}

const ended = (sdl) => `${sdl.trimEnd()}\n`;

if (import.meta.main) {
  const { subgraphs } = JSON.parse(await text(process.stdin));
  process.stdout.write(`${JSON.stringify(compose(subgraphs))}\n`);
}
