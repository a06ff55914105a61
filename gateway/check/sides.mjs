// One side of a comparison: the composed graph and each of its contracts.
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

import { buildSchema } from 'graphql';

import { compose, composeContract } from '../compose.mjs';

// Below so many characters of SDL, composition ends before a thread would have started.
const SMALL = 50_000;

/**
 * Compose the sides, each in a thread of its own, since it is most of the work. In a side,
 * `schemas`, `publicSdls` and `supergraphs` are keyed by contract, '' being the whole graph.
 */
export async function composeSides({ base, head }) {
  // A baseline with the same subgraphs and contracts comes out the same.
  const isSame = base && JSON.stringify(base) === JSON.stringify(head);
  const isSmall = (base ?? head).subgraphs.reduce((sum, { sdl }) => sum + sdl.length, 0) < SMALL;
  const beside = base && !isSame && !isSmall ? inThread(base) : undefined;
  const outcomes = composeAll(head);
  const after = side(outcomes);
  if (!base) return { base: null, head: after };
  return { base: isSame ? after : side(beside ? await beside : composeAll(base)), head: after };
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
  const composed = [['', whole], ...contracts].filter(([, { errors }]) => errors.length === 0);
  return {
    outcome: {
      errors: whole.errors,
      contracts: Object.fromEntries(contracts.map(([name, { errors }]) => [name, { errors }])),
    },
    publicSdls: new Map(composed.map(([name, { publicSdl }]) => [name, publicSdl])),
    schemas: new Map(
      composed.map(([name, { publicSdl }]) => [
        name,
        buildSchema(publicSdl, { assumeValidSDL: true }),
      ]),
    ),
    supergraphs: new Map(composed.map(([name, { supergraphSdl }]) => [name, supergraphSdl])),
  };
}

if (!isMainThread) parentPort.postMessage(composeAll(workerData));
