/** The whole engine on one store: what holds on a local folder holds on every store. */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type InitOptions, openUrl, type RepositoryEvents, Repository, type StorageBackend } from '../../src/index.ts';
import type { Proxy } from '../servers/index.mjs';
import { Cli, feed, finished, SECRET } from '../support/cli.ts';
import { snapshotOf } from '../support/cli-kill.ts';
import { bytes, dump, parts, sha256 } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';
import { collect, KDF, refusal, restored } from '../support/repositories.ts';

export interface EngineStore {
  /** A new, empty place for a repository. */
  readonly place: () => string | StorageBackend | Promise<string | StorageBackend>;
  /** What a process of its own needs to reach it. */
  readonly env?: Readonly<Record<string, string>>;
  /** The network before the store. */
  readonly proxy?: Proxy;
}

const PARITY = { data: 4, parity: 2 } as const;
const INIT: InitOptions = {
  packSize: 65_536,
  chunking: { min: 1_024, average: 4_096, max: 16_384 },
  parity: PARITY,
  kdf: KDF,
};
const BODY = Buffer.concat([bytes(1, 500_000), dump(1, 500_000)]);
const CHANGED = Buffer.concat([BODY.subarray(0, 700_000), bytes(2, 150_000), BODY.subarray(700_000)]);
const KILLED = bytes(3, 900_000);

/** A place with a repository, and clients of it that end with the test. */
class Client {
  readonly where: string | StorageBackend;
  readonly #cache = join(temporaryFolder(), 'cache');

  constructor(where: string | StorageBackend) {
    this.where = where;
  }

  async init(): Promise<Repository> {
    return this.#ending(await Repository.init(this.where, { ...INIT, ...this.#options() }));
  }

  async open(passphrase: string = SECRET): Promise<Repository> {
    return this.#ending(await Repository.open(this.where, { ...this.#options(), passphrase }));
  }

  /** The store below, by which objects get lost. */
  async store(): Promise<StorageBackend> {
    if (typeof this.where !== 'string') return this.where;
    const store = await openUrl(this.where);
    onTestFinished(() => store[Symbol.asyncDispose]());
    return store;
  }

  #options(): InitOptions {
    return { passphrase: SECRET, cache: this.#cache, threads: 2, memoryLimit: 64 << 20 };
  }

  #ending(repository: Repository): Repository {
    onTestFinished(() => repository.close());
    return repository;
  }
}

async function keysOf(store: StorageBackend, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

async function comesBack(repository: Repository, id: string, body: Uint8Array): Promise<void> {
  expect(sha256(await restored(repository, id))).toBe(sha256(body));
}

/** Runs the matrix on a store. */
export function engineMatrix(name: string, store: EngineStore): void {
  describe(`the engine on ${name}`, () => {
    test('backs up, restores, loses objects, repairs, prunes', async () => wholeLife(new Client(await store.place())));
    test('a passphrase comes and goes, and other clients mind it', async () =>
      passphrases(new Client(await store.place())));
    if (store.env !== undefined) {
      test('a backup that is killed harms nothing', async () => {
        const place = await store.place();
        if (typeof place !== 'string') throw new Error('A process of its own needs a location.');
        await killed(store, place);
      });
    }
    const { proxy } = store;
    if (proxy !== undefined) {
      test('a store that is gone for a while is waited for', async () => away(proxy, new Client(await store.place())));
    }
  });
}

async function wholeLife(client: Client): Promise<void> {
  const repository = await client.init();
  const first = await repository.ingest(parts(BODY, 1), { sha256: true });
  expect(first.items[0]?.sha256).toBe(sha256(BODY));
  const second = await repository.ingest(parts(CHANGED, 2));
  expect(second.newChunks).toBeLessThan(second.chunkCount / 3);
  expect(second.reusedChunks).toBeGreaterThan(second.chunkCount / 2);
  const both = await Promise.all([4, 5].map((seed) => repository.ingest(parts(bytes(seed, 300_000), seed))));
  await backs(repository, first.id, second.id);
  for (const [at, { id }] of both.entries()) await comesBack(repository, id, bytes(at + 4, 300_000));
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);

  await lossAndRepair(client, repository, second.id);

  const fresh = await client.open();
  expect(await fresh.listSnapshots()).toEqual(await repository.listSnapshots());
  const planned = await fresh.prune({ keepLast: 1 }, { dryRun: true });
  expect(await repository.listSnapshots()).toHaveLength(4);
  const pruned = await repository.prune({ keepLast: 1 });
  expect(pruned).toEqual(planned);
  expect(pruned).toMatchObject({ removedSnapshots: 3 });
  expect(pruned.removedPacks).toBeGreaterThan(5);
  const [kept = ''] = pruned.keptSnapshots;
  // The newest, also on a store that tells time in whole seconds.
  const newest = both.toSorted((a, b) => (`${a.createdAt} ${a.id}` < `${b.createdAt} ${b.id}` ? 1 : -1));
  expect(kept).toBe(newest[0]?.id);
  const last = both.findIndex(({ id }) => id === kept);
  await comesBack(fresh, kept, bytes(last + 4, 300_000));
  await refusal(restored(fresh, first.id), 'NOT_FOUND');
  const again = await fresh.ingest(BODY);
  await comesBack(repository, again.id, BODY);
  expect((await repository.verify({ level: 'full' })).errors).toEqual([]);
}

/** To a stream, by range and to a file. */
async function backs(repository: Repository, first: string, second: string): Promise<void> {
  await comesBack(repository, first, BODY);
  const range = await repository.restore(second, { offset: 699_990, length: 150_020 });
  expect(sha256(await collect(range))).toBe(sha256(CHANGED.subarray(699_990, 850_010)));
  const path = join(temporaryFolder(), 'out');
  expect(await repository.restoreTo(path, second)).toEqual({ bytes: CHANGED.byteLength, healed: 0 });
  expect(sha256(await collect(createReadStream(path)))).toBe(sha256(CHANGED));
}

async function lossAndRepair(client: Client, repository: Repository, id: string): Promise<void> {
  const store = await client.store();
  const packs = (await keysOf(store, 'packs/data/')).slice(0, 2);
  const [idx = ''] = await keysOf(store, 'index/');
  const before = await Promise.all(packs.map((key) => store.get(key)));
  await store.delete(packs);
  const lost = packs.map((key) => expect.objectContaining({ key, code: 'NOT_FOUND', repairable: true }));
  expect((await repository.verify()).errors).toEqual(expect.arrayContaining(lost));
  await store.delete([idx]);
  const { ok, errors } = await repository.verify();
  expect(ok).toBe(false);
  expect(errors.every(({ repairable }) => repairable)).toBe(true);
  expect(await repository.repair()).toMatchObject({ indexRebuilt: true, packsLost: [], snapshotsDamaged: [] });
  const after = await Promise.all(packs.map((key) => store.get(key)));
  expect(after.map(sha256)).toEqual(before.map(sha256));
  expect((await repository.verify({ level: 'full' })).errors).toEqual([]);
  await comesBack(repository, id, CHANGED);
}

async function passphrases(client: Client): Promise<void> {
  const repository = await client.init();
  const { id } = await repository.ingest(BODY);
  const [old] = await repository.keys.list();
  const added = await repository.keys.add('another one', { label: 'spare', kdf: KDF });
  const other = await client.open('another one');
  await comesBack(other, id, BODY);
  await other.keys.remove(old?.id ?? '');
  expect((await repository.keys.list()).map((key) => key.id)).toEqual([added]);
  await refusal(client.open(), 'WRONG_PASSPHRASE');
  await refusal(client.init(), 'ALREADY_EXISTS');
}

/** At four moments, from before the first pack to behind the last byte. */
async function killed({ env = {} }: EngineStore, location: string): Promise<void> {
  const [client, cli] = [new Client(location), new Cli(true)];
  const repository = await client.init();
  const first = await repository.ingest(BODY);
  const known = new Set([first.id]);
  const options = { env: { ...env, XDG_CACHE_HOME: cli.path('cache'), PACKVAULT_REPOSITORY: location } };
  for (const count of [10_000, 300_000, 600_000, KILLED.byteLength]) {
    const child = cli.start(['ingest', '--json'], options);
    const end = finished(child);
    await feed(child, KILLED.subarray(0, count));
    child.kill('SIGKILL');
    expect((await end).signal).toBe('SIGKILL');
  }
  // Its standard input was still open: none of them can have been acknowledged.
  expect((await repository.listSnapshots()).map(({ id }) => id)).toEqual([...known]);
  await comesBack(repository, first.id, BODY);
  const next = snapshotOf((await cli.ok(['ingest', '--json'], { ...options, input: KILLED })).stdout);
  await comesBack(repository, next, KILLED);
  const restoredByCli = await cli.ok(['restore', next], options);
  expect(sha256(restoredByCli.stdout)).toBe(sha256(KILLED));
  expect((await repository.verify({ level: 'full' })).errors).toEqual([]);
}

/** The network is cut, and heals as soon as the first attempt has failed. */
async function away(proxy: Proxy, client: Client): Promise<void> {
  const repository = await client.init();
  onTestFinished(() => proxy.heal());
  const retries: RepositoryEvents['backend:retry'][] = [];
  let healed: Promise<void> | undefined;
  repository.on('backend:retry', (event) => {
    retries.push(event);
    healed ??= proxy.heal();
  });
  const cut = async (): Promise<void> => {
    await healed;
    healed = undefined;
    retries.length = 0;
    await proxy.cut();
  };
  async function* source(): AsyncGenerator<Uint8Array> {
    yield BODY.subarray(0, 400_000);
    await cut();
    yield BODY.subarray(400_000);
  }
  const { id } = await repository.ingest(source());
  expect(retries.length).toBeGreaterThan(0);
  for (const { error, attempt } of retries) expect([error.code, attempt > 0]).toEqual(['UNAVAILABLE', true]);
  const stream = await repository.restore(id);
  await cut();
  expect(sha256(await collect(stream))).toBe(sha256(BODY));
  expect(retries.length).toBeGreaterThan(0);
  await cut();
  expect((await repository.verify({ level: 'full' })).errors).toEqual([]);
  expect(retries.length).toBeGreaterThan(0);
}
