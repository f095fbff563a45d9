/** Events, and progress of calls. */
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { type Progress, Repository, type RepositoryEvents } from '../../src/index.ts';
import { bytes, sha256 } from '../support/data.ts';
import { collect, makeRepository, restored, SMALL } from '../support/repositories.ts';
import { gate } from '../support/tapped.ts';

async function keysOf(backend: MemoryBackend, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of backend.list(prefix)) keys.push(key);
  return keys;
}

test('an ingest tells how far it is, and that it is complete before it resolves', async () => {
  const repository = await makeRepository();
  const told: RepositoryEvents['ingest:progress'][] = [];
  const complete: RepositoryEvents['ingest:complete'][] = [];
  repository.on('ingest:progress', (event) => told.push(event));
  repository.on('ingest:complete', (event) => complete.push(event));
  const snapshot = await repository.ingest(bytes(1, 3_000_000));
  expect(told.at(-1)).toEqual({
    operation: 'ingest',
    percentage: 0,
    message: 'committing: 3000000 bytes',
    bytesRead: 3_000_000,
  });
  expect(complete).toEqual([{ snapshotId: snapshot.id, newChunks: snapshot.newChunks }]);
});

test('a source that waits is seen to wait: progress comes while it does', async () => {
  const repository = await makeRepository();
  const seen = gate<number>();
  repository.on('ingest:progress', ({ bytesRead }) => {
    if (bytesRead > 0) seen.open(bytesRead);
  });
  async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
    yield bytes(1, 2 << 20);
    // Would never end if progress came with the end alone.
    yield bytes(2, await seen.opened);
  }
  const { originalSize } = await repository.ingest(source());
  expect(originalSize).toBe((2 << 20) + (await seen.opened));
});

test('an unsubscribed handler hears nothing more, twice unsubscribed neither', async () => {
  const repository = await makeRepository();
  let heard = 0;
  const count = (): void => {
    heard += 1;
  };
  const first = repository.on('ingest:complete', count);
  const second = repository.on('ingest:complete', count);
  await repository.ingest(bytes(1, 10));
  expect(heard).toBe(2);
  first.unsubscribe();
  first.unsubscribe();
  await repository.ingest(bytes(2, 10));
  expect(heard).toBe(3);
  second[Symbol.dispose]();
  await repository.ingest(bytes(3, 10));
  expect(heard).toBe(3);
});

test('verify tells each fault as it returns it', async () => {
  const backend = new MemoryBackend();
  const repository = await makeRepository(backend);
  await repository.ingest(bytes(1, 3_000_000));
  const packs = await keysOf(backend, 'packs/data/');
  expect(packs.length).toBeGreaterThan(2);
  await backend.delete(packs.slice(0, 2));
  const told: unknown[] = [];
  repository.on('verify:error', (error) => told.push(error));
  const { ok, errors } = await repository.verify({ level: 'quick' });
  expect(ok).toBe(false);
  expect(told).toEqual(errors);
  const missing = errors.filter(({ code }) => code === 'NOT_FOUND').map(({ key = '' }) => key);
  expect(missing.toSorted()).toEqual(packs.slice(0, 2));
});

test('a restore that meets damage tells the pack that parity made good', async () => {
  const backend = new MemoryBackend();
  const repository = await makeRepository(backend, { parity: { data: 4, parity: 2 } });
  const body = bytes(1, 3_000_000);
  const { id } = await repository.ingest(body);
  const [pack = ''] = await keysOf(backend, 'packs/data/');
  const stored = await backend.get(pack);
  stored.fill(0, 5_000, 300_000);
  await backend.put(pack, stored, { mode: 'overwrite' });
  const healed: RepositoryEvents['restore:healed'][] = [];
  repository.on('restore:healed', (event) => healed.push(event));
  expect(sha256(await restored(repository, id))).toBe(sha256(body));
  expect(healed.length).toBeGreaterThan(0);
  for (const event of healed) {
    expect(pack).toContain(event.pack);
    expect(event.bytes).toBeGreaterThan(0);
  }
});

test('every call tells its progress at least once, with its own name and sensible figures', async () => {
  const backend = new MemoryBackend();
  const told: Progress[] = [];
  const onProgress = (progress: Progress): void => void told.push(progress);
  const last = (): Progress | undefined => told.splice(0).at(-1);
  const repository = await Repository.init(backend, { ...SMALL, onProgress });
  expect(last()).toMatchObject({ operation: 'init', phase: 'initializing', bytesDone: 0, objectsDone: 0 });
  await (await Repository.open(backend, { ...SMALL, onProgress })).close();
  expect(last()).toMatchObject({ operation: 'open', phase: 'opening' });
  const { id } = await repository.ingest(bytes(1, 2_000_000), { onProgress });
  expect(last()).toMatchObject({ operation: 'ingest', phase: 'committing', bytesDone: 2_000_000, objectsDone: 2 });
  await collect(await repository.restore(id, { onProgress }));
  expect(last()).toMatchObject({
    operation: 'restore',
    phase: 'restoring',
    bytesDone: 2_000_000,
    bytesTotal: 2_000_000,
  });
  await repository.verify({ level: 'full', onProgress });
  expect(last()).toMatchObject({ operation: 'verify', objectsDone: 2, objectsTotal: 2 });
  await repository.repair({ onProgress });
  expect(last()).toMatchObject({ operation: 'repair', objectsDone: 2, objectsTotal: 2 });
  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    snapshots: () => repository.listSnapshots({ onProgress }),
    snapshot: () => repository.getSnapshot(id, { onProgress }),
    reindex: () => repository.reindex({ onProgress }),
    stats: () => repository.stats({ onProgress }),
    status: () => repository.status({ onProgress }),
    unlock: () => repository.unlock({ onProgress }),
  };
  for (const [operation, call] of Object.entries(calls)) {
    await call();
    expect(last()).toMatchObject({ operation, message: expect.any(String) });
  }
  await repository.close();
});

test('what a handler or onProgress throws is thrown on its own, and the call goes on', async () => {
  const repository = await makeRepository();
  const thrown: unknown[] = [];
  const keep = (error: unknown): void => void thrown.push(error);
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', keep);
  try {
    repository.on('ingest:complete', () => {
      throw new Error('from a handler');
    });
    const { id } = await repository.ingest(bytes(1, 1_000), {
      onProgress: () => {
        throw new Error('from onProgress');
      },
    });
    expect(await restored(repository, id)).toEqual(Buffer.from(bytes(1, 1_000)));
    expect(new Set(thrown.map(String))).toEqual(new Set(['Error: from onProgress', 'Error: from a handler']));
  } finally {
    process.off('uncaughtException', keep);
    for (const other of others) process.on('uncaughtException', other);
  }
});
