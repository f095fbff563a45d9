/** Several calls, clients and processes at once. */
import { ReadableStream } from 'node:stream/web';
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { LocalBackend, Repository } from '../../src/index.ts';
import { RecordBackend } from '../../src/testing/index.ts';
import { bytes, dump, sha256 } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';
import { run } from '../support/programs.ts';
import { collect, makeRepository, rejection, restored, SMALL } from '../support/repositories.ts';
import { gate, TappedBackend } from '../support/tapped.ts';

const SHARED = bytes(1, 2_000_000);

function body(seed: number): Uint8Array {
  return Buffer.concat([SHARED, dump(seed, 500_000), bytes(seed, 500_000)]);
}

test('ingests of one client at once all come back, in however many turns', async () => {
  const repository = await makeRepository();
  const seeds = [2, 3, 4, 5, 6];
  const made = await Promise.all(seeds.map((seed) => repository.ingest(body(seed), { tags: { seed: `${seed}` } })));
  expect((await repository.listSnapshots()).map(({ id }) => id).toSorted()).toEqual(
    made.map(({ id }) => id).toSorted(),
  );
  for (const [at, seed] of seeds.entries()) {
    expect(sha256(await restored(repository, made[at]?.id ?? ''))).toBe(sha256(body(seed)));
  }
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);
});

test('two clients of one store back up the same data at once', async () => {
  const backend = new MemoryBackend();
  const one = await makeRepository(backend, { parity: { data: 4, parity: 2 } });
  const two = await Repository.open(backend.share(), SMALL);
  const made = await Promise.all([one.ingest(body(2)), two.ingest(body(2)), one.ingest(body(3)), two.ingest(body(3))]);
  const fresh = await Repository.open(backend.share(), SMALL);
  for (const [at, { id }] of made.entries()) {
    expect(sha256(await restored(fresh, id))).toBe(sha256(body(at < 2 ? 2 : 3)));
  }
  expect((await fresh.verify({ level: 'full' })).ok).toBe(true);
  expect((await fresh.ingest(body(2))).newChunks).toBe(0);
  await Promise.all([two.close(), fresh.close()]);
});

test('listings, stats and verify do not wait for backups that hang', async () => {
  const repository = await makeRepository();
  const first = await repository.ingest(body(2));
  const letGo = gate();
  const begun = [gate(), gate(), gate()];
  async function* slow(at: number): AsyncGenerator<Uint8Array, void, undefined> {
    begun[at]?.open();
    yield SHARED;
    await letGo.opened;
    yield SHARED;
  }
  const ingests = [0, 1, 2].map((at) => repository.ingest(slow(at)));
  await Promise.all([begun[0]?.opened, begun[1]?.opened]);
  expect(await repository.listSnapshots()).toEqual([first]);
  expect((await repository.stats()).snapshots).toBe(1);
  expect(await repository.status()).toEqual([]);
  expect(sha256(await restored(repository, first.id))).toBe(sha256(body(2)));
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);
  letGo.open();
  for (const { id } of await Promise.all(ingests)) {
    expect(sha256(await restored(repository, id))).toBe(sha256(Buffer.concat([SHARED, SHARED])));
  }
});

test('repair and reindex run beside a backup', async () => {
  const backend = new MemoryBackend();
  const repository = await makeRepository(backend, { parity: { data: 4, parity: 2 } });
  const first = await repository.ingest(body(2));
  for await (const { key } of backend.list('packs/data/')) {
    await backend.delete([key]);
    break;
  }
  const [second, mended] = await Promise.all([repository.ingest(body(3)), repository.repair(), repository.reindex()]);
  expect(mended.packsRepaired).toBe(1);
  expect(sha256(await restored(repository, first.id))).toBe(sha256(body(2)));
  expect(sha256(await restored(repository, second.id))).toBe(sha256(body(3)));
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);
});

test('never more requests are in flight than concurrency allows', async () => {
  let inFlight = 0;
  let most = 0;
  const backend = new TappedBackend(new MemoryBackend());
  const repository = await makeRepository(backend, { concurrency: 2, packSize: 65_536 });
  backend.tap = async (_call, next) => {
    inFlight += 1;
    most = Math.max(most, inFlight);
    await new Promise((resolve) => setImmediate(resolve));
    const got = await next();
    inFlight -= 1;
    return got;
  };
  await repository.ingest(bytes(1, 5_000_000));
  expect(most).toBe(2);
});

test('one signal may be given to any number of calls, and all of them hear it', async () => {
  const repository = await makeRepository();
  await repository.ingest(body(2));
  const controller = new AbortController();
  const { signal } = controller;
  const warnings: unknown[] = [];
  const keep = (warning: Error): void => void warnings.push(warning);
  process.on('warning', keep);
  const calls = Array.from({ length: 25 }, () =>
    rejection(repository.ingest(new ReadableStream<Uint8Array>(), { signal })),
  );
  const streams = await Promise.all(Array.from({ length: 25 }, () => repository.restore('latest', { signal })));
  const failures = streams.map((stream) => rejection(collect(stream)));
  const reason = new Error('all of you');
  controller.abort(reason);
  expect(new Set(await Promise.all([...calls, ...failures]))).toEqual(new Set([reason]));
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', keep);
  expect(warnings).toEqual([]);
});

test('an unchanged backup asks for little, and a client that is at work reads nothing twice', async () => {
  const backend = new RecordBackend(new MemoryBackend());
  const repository = await makeRepository(backend);
  await repository.ingest(body(2));
  backend.reset();
  const { newChunks } = await repository.ingest(body(2));
  expect(newChunks).toBe(0);
  const { put, get, stat, delete: deleted } = backend.totals();
  expect([put.requests, stat.requests, deleted.requests]).toEqual([2, 0, 0]);
  expect(get.requests).toBeLessThanOrEqual(1);
});

test('two processes back up into one folder at once', async () => {
  const folder = temporaryFolder();
  const made = await Repository.init(folder, SMALL);
  await made.close();
  const outputs = await Promise.all([run('ingest.mjs', { folder, seed: 2 }), run('ingest.mjs', { folder, seed: 3 })]);
  const repository = await Repository.open(new LocalBackend(folder), SMALL);
  for (const output of outputs) {
    const { id, sha256: digest } = JSON.parse(output) as { id: string; sha256: string };
    expect(sha256(await restored(repository, id))).toBe(digest);
  }
  expect(await repository.listSnapshots()).toHaveLength(2);
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);
  await repository.close();
});
