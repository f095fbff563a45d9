/** What init and open refuse, with which code, and that they change nothing. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import {
  type ErrorCode,
  type InitOptions,
  LocalBackend,
  openUrl,
  Repository,
  type StorageBackend,
} from '../../src/index.ts';
import { RecordBackend } from '../../src/testing/index.ts';
import { bytes, sha256 } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';
import { KDF, makeRepository, refusal, rejection, restored, SMALL } from '../support/repositories.ts';

const PASSPHRASE = 'open sesame';
const CONFIGS = ['config.json', 'config.copy.json'];

/** The objects of a store, by key. */
async function contents(backend: StorageBackend): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for await (const { key } of backend.list('')) all.set(key, sha256(await backend.get(key)));
  return all;
}

/** A store with a repository in it, closed. */
async function store(options: InitOptions = {}): Promise<MemoryBackend> {
  const backend = new MemoryBackend();
  const repository = await Repository.init(backend, { ...SMALL, ...options });
  await repository.ingest(bytes(1, 100_000));
  await repository.close();
  return backend;
}

async function change(backend: MemoryBackend, keys: readonly string[], edit: (text: string) => string): Promise<void> {
  for (const key of keys) {
    const text = Buffer.from(await backend.get(key)).toString('latin1');
    await backend.put(key, Buffer.from(edit(text), 'latin1'), { mode: 'overwrite' });
  }
}

/** Open must refuse with this code and leave everything as it is. */
async function refused(backend: StorageBackend, code: ErrorCode, options: InitOptions = {}): Promise<string> {
  const before = await contents(backend);
  const recorded = new RecordBackend(backend);
  const error = await refusal(Repository.open(recorded, { cache: false, ...options }), code);
  expect(await contents(backend)).toEqual(before);
  expect(recorded.log.filter(({ verb }) => verb === 'put' || verb === 'delete')).toEqual([]);
  return error.message;
}

test('an empty store is no repository', async () => {
  expect(await refused(new MemoryBackend(), 'NOT_A_REPOSITORY')).toBe(
    'There is no packvault repository here. Create one with init.',
  );
});

test('a folder that is not there, is empty or holds other things is no repository', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'photos'));
  writeFileSync(join(folder, 'photos', 'a.jpg'), 'not ours');
  for (const place of [join(folder, 'missing'), folder, join(folder, 'photos')]) {
    await refusal(Repository.open(place), 'NOT_A_REPOSITORY');
  }
  expect(readdirSync(folder)).toEqual(['photos']);
});

test("another program's config.json is no damaged repository, and init leaves it alone", async () => {
  const backend = new MemoryBackend();
  await backend.put('config.json', Buffer.from('{"version":1,"chunking":{"algorithm":"fastcdc"}}'), { mode: 'create' });
  expect(await refused(backend, 'NOT_A_REPOSITORY')).toContain("config.json is another program's");
  const before = await contents(backend);
  await refusal(Repository.init(backend, SMALL), 'ALREADY_EXISTS');
  expect(await contents(backend)).toEqual(before);
});

test('a file where the folder should be is told as such by init and open', async () => {
  const file = join(temporaryFolder(), 'file');
  writeFileSync(file, 'mine');
  for (const verb of ['open', 'init'] as const) {
    const error = await rejection(Repository[verb](file));
    expect(error).toMatchObject({ code: expect.stringMatching(/^(NOT_A_REPOSITORY|UNSUPPORTED)$/) });
  }
});

for (const passphrase of [undefined, PASSPHRASE]) {
  test(`a repository that is there already stays as it is (${passphrase === undefined ? 'open' : 'encrypted'})`, async () => {
    const options = passphrase === undefined ? {} : { passphrase, kdf: KDF };
    const backend = await store(options);
    const before = await contents(backend);
    const error = await refusal(
      Repository.init(backend, { ...SMALL, passphrase: 'other', kdf: KDF }),
      'ALREADY_EXISTS',
    );
    expect(error.message).toMatch(/There is a repository here already\. Nothing was changed\./);
    expect(await contents(backend)).toEqual(before);
    await (await Repository.open(backend, options)).close();
  });
}

test('backups whose config is lost are not taken for an empty place', async () => {
  const backend = await store();
  await backend.delete(CONFIGS);
  const before = await contents(backend);
  const error = await refusal(Repository.init(backend, SMALL), 'ALREADY_EXISTS');
  expect(error.message).toContain('There are backups here, but config.json and its copy are missing');
  expect(await contents(backend)).toEqual(before);
});

test('of two inits at the same moment one wins, and its repository works', async () => {
  const backend = new MemoryBackend();
  const inits = [1, 2, 3, 4].map(() => Repository.init(backend.share(), SMALL));
  const outcomes = await Promise.allSettled(inits);
  const won = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const lost = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
  expect(won).toHaveLength(1);
  for (const error of lost) expect(error).toMatchObject({ code: 'ALREADY_EXISTS' });
  const { id } = (await won[0]?.ingest(bytes(1, 1_000))) ?? { id: '' };
  const other = await Repository.open(backend, SMALL);
  expect(await restored(other, id)).toEqual(Buffer.from(bytes(1, 1_000)));
  await other.close();
  await won[0]?.close();
});

test('a pre-release of the format is FORMAT_TOO_OLD, never CORRUPT', async () => {
  const backend = await store();
  await change(backend, CONFIGS, (text) => text.replace('"packvault":1', '"packvault":0'));
  expect(await refused(backend, 'FORMAT_TOO_OLD')).toContain('pre-release of the format');
  // As little as this was in them all.
  for (const key of CONFIGS) await backend.put(key, Buffer.from('{"packvault":0}'), { mode: 'overwrite' });
  await refused(backend, 'FORMAT_TOO_OLD');
  await refused(backend, 'FORMAT_TOO_OLD', { passphrase: PASSPHRASE });
});

test('a newer format and an unknown required feature are FORMAT_TOO_NEW, an optional one is fine', async () => {
  const newer = await store();
  await change(newer, CONFIGS, (text) => text.replace('"packvault":1', '"packvault":2'));
  expect(await refused(newer, 'FORMAT_TOO_NEW')).toContain('needs a newer packvault (format 2');
  const required = await store();
  await change(required, CONFIGS, (text) => text.replace('"required":[]', '"required":["time-travel"]'));
  expect(await refused(required, 'FORMAT_TOO_NEW')).toContain('time-travel');
  // Members that a newer version may have, too.
  for (const key of CONFIGS) {
    const body = '{"packvault":7,"cipher":"something else","chunking":null}';
    await newer.put(key, Buffer.from(body), { mode: 'overwrite' });
  }
  await refused(newer, 'FORMAT_TOO_NEW');
});

test('one damaged config does not matter, two are CORRUPT', async () => {
  for (const key of CONFIGS) {
    for (const edit of [(): string => '', (text: string): string => text.slice(0, 40), (): string => 'nonsense']) {
      const backend = await store();
      await change(backend, [key], edit);
      const repository = await Repository.open(backend, SMALL);
      expect(await repository.listSnapshots()).toHaveLength(1);
      await repository.close();
      await change(backend, CONFIGS, edit);
      expect(await refused(backend, 'CORRUPT')).toContain('config.json is damaged');
    }
  }
});

test('a config that somebody changed is not believed', async () => {
  for (const options of [{}, { passphrase: PASSPHRASE, kdf: KDF }]) {
    const backend = await store(options);
    await change(backend, CONFIGS, (text) => text.replace('"level":1', '"level":9'));
    expect(await refused(backend, 'CORRUPT', options)).toContain('config.json is damaged or was changed');
  }
});

test('a missing passphrase, a wrong one and damaged key files are three different errors', async () => {
  const backend = await store({ passphrase: PASSPHRASE, kdf: KDF });
  expect(await refused(backend, 'PASSPHRASE_REQUIRED')).toContain('This repository is encrypted');
  const wrong = await refused(backend, 'WRONG_PASSPHRASE', { passphrase: 'open sesami' });
  expect(wrong).toBe('The passphrase opens none of the key files. Nothing was changed.');
  const keys = [...(await contents(backend)).keys()].filter((key) => key.startsWith('keys/'));
  expect(keys).toHaveLength(2);
  // One copy is enough.
  await change(backend, keys.slice(0, 1), (text) => text.replace('argon2id', 'argon2xx'));
  await (await Repository.open(backend, { ...SMALL, passphrase: PASSPHRASE })).close();
  await change(backend, keys, (text) => text.slice(0, 200));
  expect(await refused(backend, 'CORRUPT', { passphrase: PASSPHRASE })).toContain('Every key file is damaged');
  await backend.delete(keys);
  expect(await refused(backend, 'CORRUPT', { passphrase: PASSPHRASE })).toContain('has no key files');
});

test('a passphrase for a repository that is not encrypted is refused: its config may have been replaced', async () => {
  const backend = await store();
  const message = await refused(backend, 'INVALID_ARGUMENT', { passphrase: PASSPHRASE });
  expect(message).toContain('this repository is not encrypted');
  expect(message).toContain('do not use it');
});

test('key files of another repository open nothing', async () => {
  const [one, two] = [await store({ passphrase: PASSPHRASE, kdf: KDF }), await store({ passphrase: 'b', kdf: KDF })];
  const own = [...(await contents(one)).keys()].filter((key) => key.startsWith('keys/'));
  const foreign = [...(await contents(two)).keys()].filter((key) => key.startsWith('keys/'));
  await one.delete(own);
  for (const key of foreign) await one.put(key, await two.get(key), { mode: 'create' });
  await refused(one, 'CORRUPT', { passphrase: 'b' });
});

const NO_OPTIONS: Readonly<Record<string, InitOptions>> = {
  'a memory limit below 16 MiB': { memoryLimit: (16 << 20) - 1 },
  'a memory limit that is not whole': { memoryLimit: 1e8 + 0.5 },
  'no threads': { threads: 0 },
  '257 threads': { threads: 257 },
  'no requests': { concurrency: 0 },
  'an empty passphrase': { passphrase: '' },
  'a passphrase that is a number': { passphrase: 1234 as unknown as string },
  'a tiny pack': { packSize: 65_535 },
  'a huge pack': { packSize: (256 << 20) + 1 },
  'an unknown codec': { compression: 'lzma' as unknown as 'zstd' },
  'a level that zstd has not': { compression: { codec: 'zstd', level: 23 } },
  'level 0': { compression: { codec: 'gzip', level: 0 } },
  'chunks of one size': { chunking: { min: 65_536, average: 65_536, max: 65_536 } },
  'chunks that are too large': { chunking: { min: 65_536, average: 262_144, max: (16 << 20) + 1 } },
  'an unknown hash': { chunkId: 'md5' as unknown as 'sha256' },
  'too many data packs': { parity: { data: 65, parity: 1 } },
  'no parity packs': { parity: { data: 4, parity: 0 } },
  'a cheap key derivation': { passphrase: 'x', kdf: { memoryKiB: 1_024, iterations: 1, parallelism: 1 } },
  'packs and parity beyond the memory limit': { packSize: 64 << 20, parity: { data: 17, parity: 3 } },
};

for (const [kind, options] of Object.entries(NO_OPTIONS)) {
  test(`init refuses ${kind}, and stores nothing`, async () => {
    const backend = new MemoryBackend();
    const error = await refusal(Repository.init(backend, { ...SMALL, ...options }), 'INVALID_ARGUMENT');
    expect(error.message).toMatch(/Nothing was changed\.$/);
    expect(await contents(backend)).toEqual(new Map());
  });
}

test('options that later do more are taken', async () => {
  const backend = new MemoryBackend();
  const repository = await Repository.init(backend, { ...SMALL, cache: false, acceptRollback: true, concurrency: 3 });
  await repository.close();
  await (await Repository.open(backend, { cache: '/no/such/folder', acceptRollback: false })).close();
});

test('what is neither a location nor a backend is refused', async () => {
  for (const where of [undefined, null, 7, {}, { put: 1 }, '']) {
    await refusal(Repository.open(where as string), 'INVALID_ARGUMENT');
    await refusal(Repository.init(where as string), 'INVALID_ARGUMENT');
  }
  await refusal(openUrl('ftp://example.org/x'), 'UNSUPPORTED');
});

test('a repository with large packs opens and restores within a small memory limit; only backups need more', async () => {
  const backend = new MemoryBackend();
  const made = await Repository.init(backend, {
    packSize: 32 << 20,
    parity: { data: 4, parity: 2 },
    memoryLimit: 512 << 20,
  });
  const body = bytes(3, 5_000_000);
  const { id } = await made.ingest(body);
  await made.close();
  const repository = await makeOpen(backend, 32 << 20);
  expect(sha256(await restored(repository, id))).toBe(sha256(body));
  const error = await refusal(repository.ingest(bytes(4, 10)), 'INVALID_ARGUMENT');
  expect(error.message).toMatch(
    /^memoryLimit is 33554432 bytes; with this repository's packs, parity and chunks it must be \d+/,
  );
  expect(await repository.listSnapshots()).toHaveLength(1);
  await repository.close();
});

async function makeOpen(backend: StorageBackend, memoryLimit: number): Promise<Repository> {
  return Repository.open(backend, { memoryLimit, threads: 4 });
}

test('paths with blanks, letters of all scripts and links to folders work', async () => {
  const { symlinkSync } = await import('node:fs');
  const folder = temporaryFolder();
  for (const name of ['with blanks', 'übung 日本 💾', '-dash', 'quote\'"s', 'percent%20']) {
    const repository = await makeRepository(join(folder, name, 'repo'));
    const { id } = await repository.ingest(bytes(1, 1_000));
    expect(await restored(repository, id)).toHaveLength(1_000);
  }
  symlinkSync(join(folder, 'with blanks'), join(folder, 'link'));
  const linked = await Repository.open(join(folder, 'link', 'repo'), SMALL);
  expect(await linked.listSnapshots()).toHaveLength(1);
  await linked.close();
  await refusal(Repository.open(join(folder, 'a\0b')), 'INVALID_ARGUMENT');
});

test('a backend that was passed in is not disposed of', async () => {
  let disposed = 0;
  class Counted extends LocalBackend {
    override async [Symbol.asyncDispose](): Promise<void> {
      disposed += 1;
    }
  }
  const backend = new Counted(temporaryFolder());
  await (await Repository.init(backend, SMALL)).close();
  await refusal(Repository.init(backend, SMALL), 'ALREADY_EXISTS');
  expect(disposed).toBe(0);
});
