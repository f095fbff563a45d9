/** Verify, repair, reindex, stats, status and unlock. */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { type InitOptions, Repository } from '../../src/index.ts';
import { RecordBackend } from '../../src/testing/index.ts';
import { bytes, dump, sha256 } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';
import { KDF, makeRepository, refusal, restored, SMALL } from '../support/repositories.ts';

const BODY = bytes(9, 6_000_000);
const PARITY: InitOptions = { parity: { data: 4, parity: 2 } };

async function keysOf(backend: MemoryBackend, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of backend.list(prefix)) keys.push(key);
  return keys;
}

async function flip(backend: MemoryBackend, key: string, at: number): Promise<void> {
  const body = await backend.get(key);
  body[at] = (body[at] ?? 0) ^ 1;
  await backend.put(key, body, { mode: 'overwrite' });
}

test('each level of verify sees what it promises to see', async () => {
  const backend = new MemoryBackend();
  const repository = await makeRepository(backend, PARITY);
  await repository.ingest(BODY);
  for (const level of ['quick', 'standard', 'full'] as const) {
    expect(await repository.verify({ level })).toMatchObject({ ok: true, errors: [], stats: { snapshotsChecked: 1 } });
  }
  const packs = await keysOf(backend, 'packs/data/');
  await flip(backend, packs[0] ?? '', 600_000);
  expect((await repository.verify({ level: 'quick' })).ok).toBe(true);
  for (const level of [undefined, 'standard', 'full'] as const) {
    const { ok, errors, stats } = await repository.verify({ level });
    expect(ok).toBe(false);
    expect(errors).toEqual([expect.objectContaining({ key: packs[0], code: 'CORRUPT', repairable: true })]);
    expect(stats.bytesRead).toBeGreaterThan(BODY.byteLength);
    expect(stats.packsChecked).toBe(packs.length + 4);
  }
  await backend.delete([packs[1] ?? '']);
  const quick = await repository.verify({ level: 'quick' });
  expect(quick.errors).toEqual([expect.objectContaining({ key: packs[1], code: 'NOT_FOUND', repairable: true })]);
});

test('verify changes nothing', async () => {
  const backend = new MemoryBackend();
  const recorded = new RecordBackend(backend);
  const repository = await makeRepository(recorded, PARITY);
  await repository.ingest(BODY);
  await backend.delete((await keysOf(backend, 'packs/')).slice(0, 2));
  recorded.reset();
  await repository.verify({ level: 'full' });
  expect(recorded.log.filter(({ verb }) => verb === 'put' || verb === 'delete')).toEqual([]);
});

test('a sample reads a share of the packs and of their parity, none of them and all of them', async () => {
  const repository = await makeRepository(new MemoryBackend(), PARITY);
  await repository.ingest(BODY);
  const all = (await repository.verify()).stats.packsChecked;
  expect(all).toBeGreaterThan(5);
  expect((await repository.verify({ sample: 0 })).stats).toMatchObject({ packsChecked: 0, bytesRead: 0 });
  expect((await repository.verify({ sample: 1 })).stats.packsChecked).toBe(all);
  const seen = new Set<number>();
  for (let count = 0; count < 12; count += 1) {
    seen.add((await repository.verify({ sample: 0.5 })).stats.packsChecked);
  }
  // A share of a half that always took none, or always all, of six packs would show twelve times in a row.
  expect([...seen].some((checked) => checked > 0 && checked < all)).toBe(true);
  for (const sample of [-0.1, 1.1, Number.NaN, '0.5' as unknown as number, null as unknown as number]) {
    await refusal(repository.verify({ sample }), 'INVALID_ARGUMENT');
  }
  await refusal(repository.verify({ level: 'deep' as unknown as 'full' }), 'INVALID_ARGUMENT');
});

test('packs that are lost come back from parity with the bytes that they had', async () => {
  const backend = new MemoryBackend();
  const repository = await makeRepository(backend, PARITY);
  const { id } = await repository.ingest(BODY);
  const packs = await keysOf(backend, 'packs/data/');
  const before = await Promise.all(packs.map((key) => backend.get(key)));
  await backend.delete(packs.slice(0, 1));
  await flip(backend, packs[1] ?? '', 77);
  expect(sha256(await restored(repository, id))).toBe(sha256(BODY));
  expect(await repository.repair()).toEqual({
    indexRebuilt: false,
    packsRepaired: 2,
    packsLost: [],
    locksRemoved: 0,
    snapshotsRestored: 0,
    parityRepaired: 0,
    copiesRestored: 0,
    snapshotsDamaged: [],
  });
  const after = await Promise.all(packs.map((key) => backend.get(key)));
  expect(after.map(sha256)).toEqual(before.map(sha256));
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);
  expect(await repository.repair()).toMatchObject({ packsRepaired: 0 });
});

test('what is lost beyond parity is named, and the next backup of the same data heals it', async () => {
  const backend = new MemoryBackend();
  const repository = await makeRepository(backend);
  const kept = await repository.ingest(dump(1, 400_000));
  const hurt = await repository.ingest(BODY);
  const packs = await keysOf(backend, 'packs/data/');
  const first = packs.find((key) => !key.includes('\0')) ?? '';
  await backend.delete([first]);
  const { packsLost, snapshotsDamaged } = await repository.repair();
  expect(packsLost.map((name) => first.includes(name))).toEqual([true]);
  expect(snapshotsDamaged).toHaveLength(1);
  for (const { id } of [kept, hurt]) {
    if (snapshotsDamaged.includes(id)) await refusal(read(repository, id), 'CORRUPT');
    else await restored(repository, id);
  }
  await repository.ingest(BODY);
  await repository.ingest(dump(1, 400_000));
  expect(sha256(await restored(repository, hurt.id))).toBe(sha256(BODY));
  expect(sha256(await restored(repository, kept.id))).toBe(sha256(dump(1, 400_000)));
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);
});

async function read(repository: Repository, id: string): Promise<unknown> {
  return restored(repository, id);
}

test('second copies that are lost or damaged come back', async () => {
  const backend = new MemoryBackend();
  const repository = await makeRepository(backend, { passphrase: 'x', kdf: KDF });
  await repository.ingest(BODY);
  const snapshots = await keysOf(backend, 'snapshots/');
  const keys = await keysOf(backend, 'keys/');
  const before = await Promise.all([...snapshots, ...keys].map((key) => backend.get(key)));
  await backend.delete([snapshots[0] ?? '', 'config.copy.json']);
  await flip(backend, keys[1] ?? '', 30);
  const { errors } = await repository.verify({ level: 'quick' });
  expect(errors.every(({ repairable }) => repairable)).toBe(true);
  const found = new Set(errors.map(({ key }) => key));
  expect(found).toEqual(new Set([snapshots[0], 'config.copy.json', keys[1]]));
  expect(await repository.repair()).toMatchObject({ snapshotsRestored: 1, copiesRestored: 2 });
  const after = await Promise.all([...snapshots, ...keys].map((key) => backend.get(key)));
  expect(after.map(sha256)).toEqual(before.map(sha256));
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);
});

for (const verb of ['reindex', 'repair'] as const) {
  test(`${verb} finds the packs of idx that are lost, and restores are as before`, async () => {
    const backend = new MemoryBackend();
    const repository = await makeRepository(backend);
    const { id } = await repository.ingest(BODY);
    await repository.close();
    await backend.delete(await keysOf(backend, 'index/'));
    const again = await Repository.open(backend, SMALL);
    await refusal(read(again, id), 'CORRUPT');
    await again[verb]();
    expect(sha256(await restored(again, id))).toBe(sha256(BODY));
    expect((await again.verify({ level: 'full' })).ok).toBe(true);
    await again.close();
  });
}

test('stats count what is there, and ratios of nothing are 1', async () => {
  const backend = new MemoryBackend();
  const repository = await makeRepository(backend, PARITY);
  const empty = { snapshots: 0, packs: 0, chunks: 0, originalBytes: 0, storedBytes: 0, parityBytes: 0 };
  expect(await repository.stats()).toEqual({ ...empty, dedupRatio: 1, compressionRatio: 1 });
  const text = dump(4, 2_000_000);
  const { newChunks } = await repository.ingest(text);
  await repository.ingest(text);
  const stats = await repository.stats();
  const sizes: Record<string, number> = {};
  for await (const { key, size } of backend.list('packs/')) {
    sizes[key.slice(0, 8)] = (sizes[key.slice(0, 8)] ?? 0) + size;
  }
  expect(stats).toMatchObject({ snapshots: 2, chunks: newChunks, originalBytes: 4_000_000 });
  expect(stats.storedBytes).toBe(sizes['packs/da']);
  expect(stats.parityBytes).toBe(sizes['packs/pa']);
  expect(stats.dedupRatio).toBeCloseTo(2, 5);
  expect(stats.compressionRatio).toBeGreaterThan(3);
});

test('status shows who is at work, unlock takes away what is stale, and with force all', async () => {
  const backend = new MemoryBackend();
  const repository = await makeRepository(backend);
  expect(await repository.status()).toEqual([]);
  // What is there but can't be read is shown, too: somebody has to notice it.
  const id = 'ab'.repeat(16);
  await backend.put(`locks/${id}`, bytes(1, 300), { mode: 'create' });
  expect(await repository.status()).toEqual([
    { id, host: '(unreadable)', pid: 0, verb: '', since: '', refreshedAt: '', stale: true },
  ]);
  await repository.ingest(bytes(1, 10));
  await repository.unlock();
  expect(await repository.status()).toEqual([]);
  await repository.unlock({ force: true });
});

test('a local repository is repaired in place', async () => {
  const folder = temporaryFolder();
  const repository = await makeRepository(folder, PARITY);
  const { id } = await repository.ingest(BODY);
  const { LocalBackend } = await import('../../src/index.ts');
  const backend = new LocalBackend(folder);
  const packs: string[] = [];
  for await (const { key } of backend.list('packs/')) packs.push(key);
  await backend.delete(packs.slice(0, 1));
  const { packsRepaired, parityRepaired } = await repository.repair();
  expect(packsRepaired + parityRepaired).toBe(1);
  expect(sha256(await restored(repository, id))).toBe(sha256(BODY));
  expect(readdirSync(folder)).toContain('config.json');
});
