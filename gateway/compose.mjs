// Composes subgraphs, and contracts of them. JSON in: {"subgraphs": [{name, url, sdl}], "contracts":
// {name: {include, exclude}}}; JSON out: the outcome, with those of the contracts by name.
import { text } from 'node:stream/consumers';

import {
  composeSchemaContract,
  composeServices,
  sortSDL,
} from '@theguild/federation-composition';
import { Kind, parse, print, visit } from 'graphql';

/** Compose; failures are data, in a stable order: `{supergraphSdl, publicSdl, errors}`. */
export function compose(subgraphs) {
  return composeWith(subgraphs, (services) => composeServices(services));
}

/**
 * Compose the part of the graph that has one of the tags `include` (none: everything) and none of
 * `exclude`; the outcome has the shape of `compose`.
 */
export function composeContract(subgraphs, { include, exclude }) {
  const filter = { include: new Set(include), exclude: new Set(exclude) };
  return composeWith(subgraphs, (services) => {
    const known = new Set(services.flatMap(({ typeDefs }) => tagsOf(typeDefs)));
    // A tag that nothing has would quietly give less, or take nothing away.
    const unknown = [...filter.include, ...filter.exclude].filter((tag) => !known.has(tag)).sort();
    if (unknown.length > 0) {
      const message = (tag) => `Nothing in the graph has the tag "${tag}".`;
      return {
        errors: unknown.map((tag) => ({
          message: message(tag),
          extensions: { code: 'UNKNOWN_TAG' },
        })),
      };
    }
    return composeSchemaContract(services, filter, true);
  });
}

function composeWith(subgraphs, composeParsed) {
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
  const result = composeParsed(services);
  if (result.errors) {
    return { supergraphSdl: null, publicSdl: null, errors: result.errors.map(describe) };
  }
  return {
    supergraphSdl: ended(result.supergraphSdl),
    publicSdl: ended(print(sortSDL(parse(result.publicSdl)))),
    errors: [],
  };
}

function tagsOf(document) {
  const tags = [];
  visit(document, {
    [Kind.DIRECTIVE]({ name, arguments: given }) {
      const tag = given?.find((argument) => argument.name.value === 'name')?.value;
      if (/^(federation__)?tag$/.test(name.value) && tag?.kind === Kind.STRING) {
        tags.push(tag.value);
      }
    },
  });
  return tags;
}

function describe(error) {
  const { code = 'COMPOSITION_ERROR', subgraphName } = error.extensions ?? {};
  // The library names the subgraph either apart or as "[name] " in front of the message.
  const subgraph = subgraphName ?? /^\[([a-z0-9_-]+)\]/i.exec(error.message)?.[1];
  return { code, message: error.message, ...(subgraph ? { subgraph } : {}) };
}

const ended = (sdl) => `${sdl.trimEnd()}\n`;

if (import.meta.main) {
  const { subgraphs, contracts = {} } = JSON.parse(await text(process.stdin));
  const outcome = compose(subgraphs);
  // Contracts of what does not compose would only repeat its errors.
  if (outcome.errors.length === 0) {
    const each = Object.entries(contracts).map(([name, filter]) => [
      name,
      composeContract(subgraphs, filter),
    ]);
    outcome.contracts = Object.fromEntries(each);
  }
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
