/** What a repository keeps near, and what it asks the store for all the same. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { type InitOptions, Repository } from '../../src/index.ts';
import { RecordBackend } from '../../src/testing/index.ts';
import { bytes, sha256 } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';
import { KDF, refusal, restored, SMALL } from '../support/repositories.ts';

const BODY = bytes(1, 3_000_000);
const CACHED = /^(?:index|snapshots|keys|gc)\//;

interface Made {
  readonly store: MemoryBackend;
  readonly record: RecordBackend;
  readonly cache: string;
  readonly id: string;
  /** Opens it with the cache. */
  readonly open: (options?: InitOptions) => Promise<Repository>;
}

/** A repository of one backup, with the cache of a client that has restored it. */
async function made(options: InitOptions = {}): Promise<Made> {
  const [store, cache] = [new MemoryBackend(), join(temporaryFolder(), 'cache')];
  const record = new RecordBackend(store);
  const { passphrase } = options;
  const opening = { ...SMALL, cache, ...(passphrase !== undefined && { passphrase }) };
  const first = await Repository.init(record, { ...opening, parity: { data: 4, parity: 2 }, ...options });
  const { id } = await first.ingest(BODY);
  await first.close();
  const open = (more: InitOptions = {}): Promise<Repository> => Repository.open(record, { ...opening, ...more });
  const second = await open();
  await restored(second, id);
  await second.close();
  record.reset();
  return { store, record, cache, id, open };
}

function filesOf(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

/** Small objects that were read from the store. */
function fetched({ record }: Made): string[] {
  return record.log.filter(({ verb, key }) => verb === 'get' && CACHED.test(key)).map(({ key }) => key);
}

async function keysOf(store: MemoryBackend, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

async function flip(store: MemoryBackend, key: string): Promise<void> {
  const body = await store.get(key);
  const at = body.byteLength >> 1;
  body[at] = (body[at] ?? 0) ^ 1;
  await store.put(key, body, { mode: 'overwrite' });
}

async function sound(repository: Repository, id: string): Promise<void> {
  expect(sha256(await restored(repository, id))).toBe(sha256(BODY));
  await repository.close();
}

test('a client that has seen a repository reads no small object again', async () => {
  const own = await made({ passphrase: 'x', kdf: KDF });
  await sound(await own.open(), own.id);
  expect(fetched(own)).toEqual([]);
});

test('a damaged file of the cache is noticed, and read from the store again', async () => {
  const own = await made();
  const files = filesOf(own.cache);
  expect(files.length).toBeGreaterThan(3);
  for (const path of files) {
    const stored = readFileSync(path);
    const at = stored.byteLength >> 1;
    stored[at] = (stored[at] ?? 0) ^ 1;
    writeFileSync(path, stored);
  }
  await sound(await own.open(), own.id);
  expect(fetched(own)).toContainEqual(expect.stringMatching(/^index\/.*\.idx$/));
  own.record.reset();
  await sound(await own.open(), own.id);
  expect(fetched(own)).toEqual([]);
});

test('the folder may be deleted while it is used', async () => {
  const own = await made();
  const repository = await own.open();
  rmSync(own.cache, { recursive: true });
  expect(sha256(await restored(repository, own.id))).toBe(sha256(BODY));
  rmSync(own.cache, { recursive: true });
  const { id } = await repository.ingest(BODY);
  rmSync(own.cache, { recursive: true });
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);
  await repository.prune({ keepLast: 1 });
  await sound(repository, id);
});

test('clients that share a folder see what each other does', async () => {
  const own = await made();
  const [one, two] = [await own.open(), await own.open()];
  const snapshots = await Promise.all([one, two].map((client, at) => client.ingest(bytes(at + 2, 1_500_000))));
  for (const client of [one, two]) {
    expect((await client.listSnapshots()).map(({ id }) => id).toSorted()).toEqual(
      [own.id, ...snapshots.map(({ id }) => id)].toSorted(),
    );
  }
  await one.forget([snapshots[1]?.id ?? '']);
  await refusal(restored(two, snapshots[1]?.id ?? ''), 'NOT_FOUND');
  expect(sha256(await restored(two, snapshots[0]?.id ?? ''))).toBe(sha256(bytes(2, 1_500_000)));
  await one.close();
  await sound(two, own.id);
});

test('what another machine has removed leaves the cache', async () => {
  const own = await made();
  const other = await own.open({ cache: temporaryFolder() });
  const { id } = await other.ingest(bytes(2, 100_000));
  await other.prune({ keepLast: 1 });
  await other.close();
  const repository = await own.open();
  expect((await repository.listSnapshots()).map((snapshot) => snapshot.id)).toEqual([id]);
  expect(filesOf(own.cache).filter((path) => path.includes(own.id))).toEqual([]);
  await repository.close();
});

test('without a folder nothing is written, and one opening remembers what it has read', async () => {
  const own = await made();
  rmSync(own.cache, { recursive: true });
  const repository = await own.open({ cache: false });
  await restored(repository, own.id);
  expect(fetched(own).length).toBeGreaterThan(0);
  // Reads config again, which must not forget what is known of the same repository.
  await repository.verify({ level: 'quick' });
  own.record.reset();
  await sound(repository, own.id);
  expect(fetched(own)).toEqual([]);
  expect(existsSync(own.cache)).toBe(false);
});

test('a passphrase that was removed opens nothing, however warm the cache', async () => {
  const own = await made({ passphrase: 'old', kdf: KDF });
  const other = await own.open({ cache: temporaryFolder() });
  const [old] = await other.keys.list();
  await other.keys.add('new', { kdf: KDF });
  await other.keys.remove(old?.id ?? '');
  await other.close();
  await refusal(own.open(), 'WRONG_PASSPHRASE');
  await sound(await own.open({ passphrase: 'new' }), own.id);
});

for (const change of ['both copies', 'the copy, with config.json gone', 'the copy, with config.json spoilt']) {
  test(`a store that says that it was never encrypted is refused (${change})`, async () => {
    const own = await made({ passphrase: 'x', kdf: KDF });
    const plain = new TextDecoder()
      .decode(await own.store.get('config.json'))
      .replace('"encryption":"aes-256-gcm"', '"encryption":"none"');
    const lie = new TextEncoder().encode(plain);
    await own.store.put('config.copy.json', lie, { mode: 'overwrite' });
    if (change === 'both copies') await own.store.put('config.json', lie, { mode: 'overwrite' });
    else if (change.endsWith('gone')) await own.store.delete(['config.json']);
    else await own.store.put('config.json', bytes(1, 400), { mode: 'overwrite' });
    for (const passphrase of ['x', undefined]) await refusal(own.open({ passphrase }), 'ROLLED_BACK');
    await refusal(own.open({ passphrase: undefined, cache: false }), 'CORRUPT');
  });
}

test('one bit of config.json, whichever it is, keeps no client out while the copy is whole', async () => {
  const own = await made();
  const config = await own.store.get('config.json');
  for (let bit = 0; bit < config.byteLength * 8; bit += 11) {
    const damaged = config.slice();
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    await own.store.put('config.json', damaged, { mode: 'overwrite' });
    const repository = await own.open({ cache: bit % 2 === 0 ? own.cache : temporaryFolder() });
    expect(await repository.listSnapshots(), `bit ${bit}`).toHaveLength(1);
    await repository.close();
  }
  await own.store.put('config.json', config, { mode: 'overwrite' });
  await sound(await own.open(), own.id);
});

for (const [kind, prefix] of Object.entries({ idx: 'index/', snapshot: 'snapshots/', 'key file': 'keys/' })) {
  test(`verify and repair see a damaged ${kind} in the store, not the good one in the cache`, async () => {
    const own = await made({ passphrase: 'x', kdf: KDF });
    const repository = await own.open();
    const [key = ''] = await keysOf(own.store, prefix);
    await flip(own.store, key);
    for (const level of ['standard', 'full'] as const) {
      const { ok, errors } = await repository.verify({ level });
      expect(ok).toBe(false);
      expect(errors).toContainEqual(expect.objectContaining({ key, repairable: true }));
    }
    await repository.repair();
    expect((await repository.verify({ level: 'full' })).ok).toBe(true);
    await sound(repository, own.id);
    // Nor does a client without a cache see any damage.
    const fresh = await own.open({ cache: false });
    expect((await fresh.verify({ level: 'full' })).ok).toBe(true);
    await fresh.close();
  });

  test(`every level of verify sees that a ${kind} is lost from the store`, async () => {
    const own = await made({ passphrase: 'x', kdf: KDF });
    const repository = await own.open();
    const [key = ''] = await keysOf(own.store, prefix);
    await own.store.delete([key]);
    for (const level of ['quick', 'standard', 'full'] as const) {
      expect((await repository.verify({ level })).ok, level).toBe(false);
    }
    await repository.repair();
    expect((await repository.verify({ level: 'full' })).ok).toBe(true);
    await sound(repository, own.id);
  });
}
