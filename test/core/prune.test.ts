/** Prune and forget through the public API; which snapshots a policy keeps, and that nothing is ever lost, is proven in native/. */
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { Repository, type RetentionPolicy, type Snapshot } from '../../src/index.ts';
import { bytes as content } from '../support/data.ts';
import { makeRepository, refusal, restored } from '../support/repositories.ts';

async function history(repository: Repository, count: number): Promise<{ snapshot: Snapshot; bytes: Uint8Array }[]> {
  const made: { snapshot: Snapshot; bytes: Uint8Array }[] = [];
  for (let number = 0; number < count; number += 1) {
    const bytes = content(number, 1_500_000);
    const tags = { service: number % 2 === 0 ? 'db' : 'web' };
    made.push({ snapshot: await repository.ingest(bytes, { tags }), bytes });
  }
  return made;
}

async function keysOf(store: MemoryBackend): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}

async function idsOf(repository: Repository): Promise<string[]> {
  return (await repository.listSnapshots()).map(({ id }) => id).toSorted();
}

test('a dry run gives the figures of the real run and writes nothing', async () => {
  const store = new MemoryBackend();
  const repository = await makeRepository(store);
  const made = await history(repository, 4);
  const before = await keysOf(store);
  const preview = await repository.prune({ keepLast: 1 }, true);
  expect(await keysOf(store)).toEqual(before);
  const result = await repository.prune({ keepLast: 1 });
  expect(result).toEqual(preview);
  expect(result.removedSnapshots).toBe(3);
  expect(result.removedPacks).toBeGreaterThan(3);
  expect(result.freedBytes).toBeGreaterThan(4_000_000);
  const last = made[3];
  expect(result.keptSnapshots).toEqual([last?.snapshot.id]);
  expect(Buffer.compare(await restored(repository, 'latest'), last?.bytes ?? Buffer.alloc(0))).toBe(0);
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);
});

test('each group keeps its newest, and forget removes just what it is told', async () => {
  const repository = await makeRepository();
  const made = await history(repository, 4);
  await repository.prune({ keepLast: 1, groupBy: ['service'] });
  const kept = made.slice(2).map(({ snapshot }) => snapshot.id);
  expect(await idsOf(repository)).toEqual(kept.toSorted());
  const gone = await repository.forget([kept[0] ?? '']);
  expect(gone.removedSnapshots).toBe(1);
  expect(await idsOf(repository)).toEqual([kept[1]]);
  await refusal(repository.restore(kept[0] ?? ''), 'NOT_FOUND');
});

test('an unknown id removes nothing', async () => {
  const repository = await makeRepository();
  const [first] = await history(repository, 2);
  await refusal(repository.forget([first?.snapshot.id ?? '', 'f'.repeat(32)]), 'NOT_FOUND');
  await refusal(repository.forget([]), 'INVALID_ARGUMENT');
  expect(await idsOf(repository)).toHaveLength(2);
});

test.each([
  ['an empty policy', {}],
  ['a policy of zeros', { keepLast: 0, keepDays: 0 }],
  ['a negative count', { keepLast: -1 }],
  ['a fraction', { keepDays: 1.5 }],
  ['an unknown rule', { keepForever: 1 }],
  ['a list that is none', { keepLast: 1, groupBy: 'service' }],
])('%s is refused and removes nothing', async (_, policy) => {
  const repository = await makeRepository();
  await history(repository, 2);
  const error = await refusal(repository.prune(policy as unknown as RetentionPolicy), 'INVALID_ARGUMENT');
  expect(error.message).toContain('Nothing was removed');
  expect(await idsOf(repository)).toHaveLength(2);
});

test.each([
  ['an unknown time zone', { timeZone: 'Mars/Olympus' }],
  ['a share above 1', { maxUnused: 1.1 }],
  ['a share that is no number', { maxUnused: Number.NaN }],
])('%s is refused', async (_, options) => {
  const repository = await makeRepository();
  await refusal(repository.prune({ keepLast: 1 }, options), 'INVALID_ARGUMENT');
});

test('days are those of the time zone that was asked for', async () => {
  const repository = await makeRepository();
  const made = await history(repository, 3);
  // All within moments of each other: one day wherever the day does not just change. The oldest stays while there is room.
  const result = await repository.prune({ keepDays: 1 }, { timeZone: 'Asia/Tokyo', dryRun: true });
  expect(result.keptSnapshots).toContain(made[2]?.snapshot.id);
});

test('backups, a prune and restores at once lose nothing', async () => {
  const store = new MemoryBackend();
  const repository = await makeRepository(store, { parity: { data: 4, parity: 2 } });
  const other = await Repository.open(store.share());
  await history(repository, 3);
  const bytes = [10, 11, 12].map((seed) => content(seed, 1_200_000));
  const [first, , second, , third] = await Promise.all([
    repository.ingest(bytes[0] ?? Buffer.alloc(0)),
    other.prune({ keepLast: 2 }),
    other.ingest(bytes[1] ?? Buffer.alloc(0)),
    repository.prune({ keepLast: 50 }),
    repository.ingest(bytes[2] ?? Buffer.alloc(0)),
  ]);
  const left = await idsOf(repository);
  for (const [number, snapshot] of [first, second, third].entries()) {
    if (!left.includes(snapshot.id)) continue;
    expect(Buffer.compare(await restored(other, snapshot.id), bytes[number] ?? Buffer.alloc(0))).toBe(0);
  }
  expect((await other.verify({ level: 'full' })).ok).toBe(true);
  await other.close();
});
