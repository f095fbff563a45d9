/** The suite: which cases apply to a store, and how they become tests. */
import { type ConformanceCase, type Given, runCase, settingsOf } from './case.ts';
import { abortCases } from './cases/abort.ts';
import { brokenCases } from './cases/broken.ts';
import { bufferCases } from './cases/buffers.ts';
import { createCases } from './cases/create.ts';
import { deleteCases } from './cases/delete.ts';
import { instanceCases } from './cases/instances.ts';
import { keyCases } from './cases/keys.ts';
import { listCases } from './cases/list.ts';
import { processCases } from './cases/process.ts';
import { readCases } from './cases/read.ts';
import { wholeCases } from './cases/whole.ts';
import type { ConformanceOptions, StoreFactory } from './store.ts';

/** Every case, whether it applies to a store or not. */
export const allCases: readonly ConformanceCase[] = [
  ...createCases,
  ...wholeCases,
  ...readCases,
  ...listCases,
  ...keyCases,
  ...deleteCases,
  ...bufferCases,
  ...instanceCases,
  ...abortCases,
  ...processCases,
  ...brokenCases,
];

/** Cases that apply to a store, ready to run. */
export interface ConformanceSuite {
  readonly cases: readonly ConformanceCase[];
  /** Rejects if the store fails this case. */
  run(one: ConformanceCase): Promise<void>;
}

/** Looks at the store (one put, so that it knows its own capabilities) and chooses the cases. */
export async function suiteFor(factory: StoreFactory, options: ConformanceOptions = {}): Promise<ConformanceSuite> {
  const given = await lookAt(factory, options);
  return {
    cases: allCases.filter(({ applies }) => applies?.(given) ?? true),
    run: async (one) => runCase(given, one),
  };
}

/**
 * Registers a vitest suite of the cases that apply to this store; a case that does not apply is not registered. Await it at the
 * top of a test file. The store must answer already.
 */
export async function conformance(
  name: string,
  factory: StoreFactory,
  options: ConformanceOptions = {},
): Promise<void> {
  const { describe, test } = await import('vitest');
  const suite = await suiteFor(factory, options);
  const { timeoutMs } = settingsOf(options);
  describe(`${name} keeps the contract of a store`, () => {
    for (const one of suite.cases) test(one.name, async () => suite.run(one), timeoutMs);
  });
}

async function lookAt(factory: StoreFactory, options: ConformanceOptions): Promise<Given> {
  const place = await factory.place();
  const addressed = place.address !== undefined;
  try {
    const store = await place.open();
    try {
      await store.put('first', new Uint8Array(1), { mode: 'create' });
      return { factory, settings: settingsOf(options), capabilities: store.capabilities, addressed };
    } finally {
      await store[Symbol.asyncDispose]();
    }
  } finally {
    await place.remove?.();
  }
}
