/**
 * Tools for tests: a store in memory, stores that record or spoil what passes through them, and the suite that proves a store.
 *
 * To prove a store of your own, write a file like this one and run it with vitest (an optional peer of this package):
 *
 * ```ts
 * import { conformance } from 'packvault/testing';
 * import { MyBackend } from '../src/my-backend.ts';
 *
 * let places = 0;
 * await conformance('my store', {
 *   place() {
 *     const prefix = `test-${process.pid}-${(places += 1)}/`;
 *     return { open: () => new MyBackend({ bucket: 'test', prefix, secret: 'swordfish' }) };
 *   },
 *   secrets: ['swordfish'],
 *   broken: {
 *     refused: () => new MyBackend({ port: 1 }),
 *     missingBucket: () => new MyBackend({ bucket: 'no-such-bucket' }),
 *   },
 * });
 * ```
 *
 * `place` alone gives the cases that every store owes. Each further member of `StoreFactory` adds cases: `broken` those on how
 * failures are told, `spawnable` those with two processes and with a process that is killed, `secrets` the one on leaks. Give as
 * many as the store can be made to do. What `capabilities` denies (create-only) is not asked for. The suite needs no clean-up
 * between runs if places are new each time, and never looks outside them.
 *
 * For `spawnable`, write a module that plain Node can run, and give its URL; places then need an `address`:
 *
 * ```js
 * import { serveStore } from 'packvault/testing';
 * import { MyBackend } from '../dist/my-backend.js';
 *
 * await serveStore((address) => new MyBackend({ bucket: 'test', prefix: address, secret: process.env.MY_SECRET }));
 * ```
 *
 * To run cases without vitest: `const suite = await suiteFor(factory)`, then `await suite.run(one)` for each of `suite.cases`.
 */
export { FaultBackend, type FaultEvent, type FaultOptions } from '../backends/decorators/fault.ts';
export type { Fault, FaultRule } from '../backends/decorators/fault-schedule.ts';
export {
  type RecordedRequest,
  type RecordedTotals,
  RecordBackend,
  type RecordOptions,
} from '../backends/decorators/record.ts';
export { MemoryBackend, type MemoryBackendOptions } from '../backends/memory.ts';
export type { ConformanceCase } from './case.ts';
export { allCases, type ConformanceSuite, conformance, suiteFor } from './conformance.ts';
export { serveStore } from './process.ts';
export type { BrokenStore, BrokenStores, ConformanceOptions, Place, StoreFactory } from './store.ts';
