// One side of a comparison: the composed graph and each of its contracts.
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

import { buildSchema } from 'graphql';

import { compose, composeContract } from '../compose.mjs';

// Below so many characters of SDL, composition ends before a thread would have started.
const SMALL = 50_000;

// The sides of the last request by what they were made of: the next one often has the same baseline.
let composed = new Map();

/**
 * Compose the sides, each in a thread of its own, since it is most of the work. In a side,
 * `schemas`, `publicSdls`, `supergraphs` and `planners` are keyed by contract, '' being the whole
 * graph.
 */
export async function composeSides({ base, head }) {
  const keys = { base: base && JSON.stringify(base), head: JSON.stringify(head) };
  // A baseline with the same subgraphs and contracts comes out the same.
  const isSame = keys.base === keys.head;
  const isKnown = composed.has(keys.base) || composed.has(keys.head);
  const isSmall = (base ?? head).subgraphs.reduce((sum, { sdl }) => sum + sdl.length, 0) < SMALL;
  const beside = base && !isSame && !isKnown && !isSmall ? inThread(base) : undefined;
  const after = composed.get(keys.head) ?? side(composeAll(head));
  const outcomes = async () => (beside ? await beside : composeAll(base));
  const before = isSame ? after : base && (composed.get(keys.base) ?? side(await outcomes()));
  composed = new Map([[keys.head, after], ...(base ? [[keys.base, before]] : [])]);
  return { base: before, head: after };
}

function inThread(input) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: input,
      resourceLimits: { maxYoungGenerationSizeMb: 192 },
    });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`Error: composition ended with ${code}`)));
  });
}

// Pairs of contract and outcome, the whole graph first.
function composeAll({ subgraphs, contracts }) {
  const whole = attempt(() => compose(subgraphs));
  // A contract of subgraphs that do not compose would only repeat their errors.
  const possible = whole.errors.length === 0 ? contracts : [];
  return [
    ['', whole],
    ...possible.map(({ name, include, exclude }) => [
      name,
      attempt(() => composeContract(subgraphs, { include, exclude })),
    ]),
  ];
}

// The library throws at some schemas that it should refuse.
function attempt(work) {
  try {
    return work();
  } catch (error) {
    const errors = [{ code: 'COMPOSITION_ERROR', message: error.message }];
    return { supergraphSdl: null, publicSdl: null, errors };
  }
}

function side([[, whole], ...contracts]) {
  const good = [['', whole], ...contracts].filter(([, { errors }]) => errors.length === 0);
  return {
    outcome: {
      errors: whole.errors,
      contracts: Object.fromEntries(contracts.map(([name, { errors }]) => [name, { errors }])),
    },
    publicSdls: new Map(good.map(([name, { publicSdl }]) => [name, publicSdl])),
    schemas: new Map(
      good.map(([name, { publicSdl }]) => [
        name,
        buildSchema(publicSdl, { assumeValidSDL: true }),
      ]),
    ),
    supergraphs: new Map(good.map(([name, { supergraphSdl }]) => [name, supergraphSdl])),
    // Made when a document asks for one.
    planners: new Map(),
  };
}

if (!isMainThread) parentPort.postMessage(composeAll(workerData));
