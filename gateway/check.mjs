// Facts for the schema checker: each line of stdin is a JSON request, each line of stdout its answer.
// What is good or bad is decided in Python; here is only what composition, comparison, validation and
// planning say.
import { createInterface } from 'node:readline';

import { compare } from './check/compare.mjs';
import { createDocuments } from './check/documents.mjs';
import { indexOf } from './check/index-sdl.mjs';
import { composeSides } from './check/sides.mjs';

/**
 * `{base, head, documents}` to facts. A side is `{subgraphs: [{name, url, sdl}], contracts: [{name,
 * include, exclude}]}`, and `base` may be null; a document is `{id, text, contract}`.
 */
export async function check({ base, head, documents }) {
  const timings = {};
  const timed = async (name, work) => {
    const began = performance.now();
    const result = await work();
    timings[name] = (timings[name] ?? 0) + performance.now() - began;
    return result;
  };
  const sides = await timed('composition', () => composeSides({ base, head }));
  const indexes = new Map();
  const index = (sdl) => {
    if (!indexes.has(sdl)) indexes.set(sdl, indexOf(sdl));
    return indexes.get(sdl);
  };
  const describe = (side, input) =>
    input && {
      ...side.outcome,
      subgraphs: Object.fromEntries(input.subgraphs.map(({ name, sdl }) => [name, index(sdl)])),
    };
  return {
    base: await timed('index', () => describe(sides.base, base)),
    head: await timed('index', () => describe(sides.head, head)),
    changes: await timed('comparison', () => compare(base, head, sides)),
    documents: await timed('documents', () => createDocuments(sides).facts(documents)),
    // For the benchmark alone: no verdict depends on them.
    timings,
  };
}

if (import.meta.main) {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await check(JSON.parse(line)))}\n`);
  }
}
