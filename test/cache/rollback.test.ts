/** A store that shows an older state than a client has seen, and clients that must not be disturbed by less. */
import { execFile } from 'node:child_process';
import { cpSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { RoundPin } from '../../src/cache/rounds.ts';
import { FolderStore } from '../../src/cache/store.ts';
import { type InitOptions, type OpenOptions, Repository } from '../../src/index.ts';
import { MAIN } from '../support/cli.ts';
import { bytes, sha256 } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';
import { KDF, refusal, restored, SMALL } from '../support/repositories.ts';

const BODY = bytes(1, 300_000);
const { cache: _none, ...SHAPE } = SMALL;

/** A repository on local disk, and a client whose cache folder outlives it. */
class Place {
  readonly folder: string = temporaryFolder();
  readonly at: string = join(this.folder, 'repository');
  readonly cache: string = join(this.folder, 'cache');
  readonly #options: InitOptions;

  constructor(options: InitOptions = {}) {
    this.#options = { ...SHAPE, cache: this.cache, ...options };
  }

  /** Makes it, with one backup. */
  async make(): Promise<string> {
    const { passphrase } = this.#options;
    const repository = await Repository.init(this.at, {
      ...this.#options,
      ...(passphrase !== undefined && { kdf: KDF }),
    });
    const { id } = await repository.ingest(BODY);
    await repository.close();
    return id;
  }

  async with<T>(work: (repository: Repository) => Promise<T>, options: OpenOptions = {}): Promise<T> {
    const repository = await Repository.open(this.at, { ...this.#options, ...options });
    try {
      return await work(repository);
    } finally {
      await repository.close();
    }
  }

  /** A backup of other data, and a round that removes the older ones. */
  async round(seed: number, options: OpenOptions = {}): Promise<string> {
    return this.with(async (repository) => {
      const { id } = await repository.ingest(bytes(seed, 200_000));
      await repository.prune({ keepLast: 1 });
      return id;
    }, options);
  }

  copy(name: string): void {
    cpSync(this.at, join(this.folder, name), { recursive: true });
  }

  putBack(name: string): void {
    rmSync(this.at, { recursive: true });
    cpSync(join(this.folder, name), this.at, { recursive: true });
  }

  objects(): string[] {
    const all = readdirSync(this.at, { recursive: true, withFileTypes: true });
    return all
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .toSorted();
  }

  /** Files that say what was seen. */
  seen(): string[] {
    const all = readdirSync(this.cache, { recursive: true, withFileTypes: true });
    return all
      .filter((entry) => entry.isFile() && dirname(entry.parentPath).endsWith('seen'))
      .map(({ parentPath, name }) => join(parentPath, name))
      .toSorted();
  }
}

const VERBS: Readonly<Record<string, (repository: Repository, id: string, path: string) => Promise<unknown>>> = {
  ingest: (repository) => repository.ingest(BODY),
  restore: (repository, id) => restored(repository, id),
  restoreTo: (repository, id, path) => repository.restoreTo(path, id),
  listSnapshots: (repository) => repository.listSnapshots(),
  getSnapshot: (repository) => repository.getSnapshot('latest'),
  'verify quick': (repository) => repository.verify({ level: 'quick' }),
  'verify full': (repository) => repository.verify({ level: 'full' }),
  repair: (repository) => repository.repair(),
  reindex: (repository) => repository.reindex(),
  prune: (repository) => repository.prune({ keepLast: 1 }),
  forget: (repository) => repository.forget(['latest']),
  stats: (repository) => repository.stats(),
};

for (const [mode, options] of Object.entries({ 'not encrypted': {}, encrypted: { passphrase: 'x' } })) {
  test(`a store that was put back is refused by each verb, unchanged, until that is accepted (${mode})`, async () => {
    const place = new Place(options);
    const id = await place.make();
    place.copy('old');
    await place.round(2);
    place.putBack('old');
    const before = place.objects();
    for (const [name, verb] of Object.entries(VERBS)) {
      const error = await place.with((repository) =>
        refusal(verb(repository, id, join(place.folder, 'out')), 'ROLLED_BACK'),
      );
      expect(error.message, name).toMatch(/older state.*gc\/.*--accept-rollback/s);
      expect(error.context, name).toEqual({ seen: '1', found: '0' });
    }
    expect(place.objects()).toEqual(before);
    // A client that has never seen it, or keeps nothing, can't know.
    for (const cache of [temporaryFolder(), false] as const) {
      await place.with(async (repository) => expect(await repository.listSnapshots()).toHaveLength(1), { cache });
    }
    // Opening alone reads no rounds: nothing is accepted yet.
    await place.with(() => Promise.resolve(), { acceptRollback: true });
    await place.with((repository) => refusal(repository.stats(), 'ROLLED_BACK'));
    const body = await place.with((repository) => restored(repository, id), { acceptRollback: true });
    expect(sha256(body)).toBe(sha256(BODY));
    for (const verb of Object.values(VERBS)) {
      await place.with(async (repository) => {
        const [newest] = (await repository.listSnapshots()).slice(-1);
        await verb(repository, newest?.id ?? '', join(temporaryFolder(), 'out'));
      });
    }
    await place.round(3);
  });
}

test('a repository object notices it between two calls, also without a cache', async () => {
  const place = new Place({ cache: false });
  await place.make();
  place.copy('old');
  await place.with(async (repository) => {
    await repository.ingest(bytes(2, 100_000));
    await repository.prune({ keepLast: 1 });
    place.putBack('old');
    await refusal(repository.ingest(BODY), 'ROLLED_BACK');
    await refusal(repository.listSnapshots(), 'ROLLED_BACK');
  });
});

/** The client has seen two rounds; the store then shows as many of another history, and `more`. */
async function forked(more: number): Promise<Place> {
  const place = new Place({ passphrase: 'x' });
  await place.make();
  await place.round(2);
  place.copy('fork');
  await place.round(3);
  place.putBack('fork');
  for (let n = 0; n <= more; n += 1) await place.round(10 + n, { cache: temporaryFolder() });
  return place;
}

describe('another history', () => {
  for (const more of [0, 1, 2, 9]) {
    test(`of ${more === 0 ? 'the same length' : `${more} rounds more`} is refused`, async () => {
      const place = await forked(more);
      for (const name of ['listSnapshots', 'ingest', 'prune']) {
        const verb = VERBS[name];
        await place.with((repository) => refusal(verb?.(repository, 'latest', '') ?? Promise.resolve(), 'ROLLED_BACK'));
      }
      await place.with((repository) => repository.stats(), { acceptRollback: true });
      await place.round(30);
      expect(place.seen()).toHaveLength(1);
    });
  }
});

test('planted: a client that has forgotten what it saw refuses neither an older state nor another history', async () => {
  const place = new Place();
  await place.make();
  place.copy('old');
  await place.round(2);
  place.putBack('old');
  for (const file of place.seen()) rmSync(file);
  await place.with((repository) => repository.stats());
  await place.round(3);
  for (const file of place.seen()) writeFileSync(file.replace(/[0-9a-f]{64}$/, '0'.repeat(64)), '');
  for (const file of place.seen().filter((name) => !/-0{64}$/.test(name))) rmSync(file);
  await place.with((repository) => refusal(repository.stats(), 'ROLLED_BACK'));
});

test('rounds of other clients are followed, however many', async () => {
  const place = new Place({ passphrase: 'x' });
  await place.make();
  await place.with((repository) => repository.stats());
  for (let n = 0; n < 12; n += 1) await place.round(2 + n, { cache: temporaryFolder() });
  expect(await place.with((repository) => repository.listSnapshots())).toHaveLength(1);
  expect(place.seen()).toEqual([expect.stringContaining('0000000000000012-')]);
  // A link of the chain that is gone while a client has not looked.
  for (let n = 0; n < 3; n += 1) await place.round(20 + n, { cache: temporaryFolder() });
  for (const suffix of ['a', 'b']) rmSync(join(place.at, 'gc', `0000000000000014.checkpoint.${suffix}`));
  const error = await place.with((repository) => refusal(repository.listSnapshots(), 'ROLLED_BACK'));
  expect(error.context).toEqual({ round: '14' });
});

test('the newest round removed is noticed; one copy of it lost or damaged is not taken for that', async () => {
  const place = new Place({ passphrase: 'x' });
  await place.make();
  await place.round(2);
  const copies = ['a', 'b'].map((suffix) => join(place.at, 'gc', `0000000000000001.checkpoint.${suffix}`));
  place.copy('whole');
  for (const copy of copies) {
    rmSync(copy);
    expect(await place.with((repository) => repository.listSnapshots())).toHaveLength(1);
    place.putBack('whole');
    writeFileSync(copy, 'damaged');
    expect(await place.with((repository) => repository.listSnapshots())).toHaveLength(1);
    place.putBack('whole');
  }
  // Both damaged is damage: readers go on, writers refuse.
  for (const copy of copies) writeFileSync(copy, 'damaged');
  await place.with(async (repository) => {
    expect((await repository.listSnapshots()).length).toBeGreaterThan(0);
    await refusal(repository.ingest(BODY), 'CORRUPT');
  });
  for (const copy of copies) rmSync(copy);
  await place.with((repository) => refusal(repository.listSnapshots(), 'ROLLED_BACK'));
});

test('a copy in another place has a history of its own, and so has another repository in the same place', async () => {
  const place = new Place();
  await place.make();
  place.copy('copy');
  await place.round(2);
  await place.round(3);
  const open = async (): Promise<Repository> =>
    Repository.open(join(place.folder, 'copy'), { ...SHAPE, cache: place.cache });
  const copy = await open();
  expect(await copy.listSnapshots()).toHaveLength(1);
  await copy.close();
  await place.with((repository) => repository.stats());
  // Another one, as of a disk that is changed each week.
  renameSync(place.at, join(place.folder, 'away'));
  await place.make();
  await place.round(4);
  rmSync(place.at, { recursive: true });
  renameSync(join(place.folder, 'away'), place.at);
  await place.with((repository) => repository.stats());
  expect(place.seen()).toHaveLength(3);
});

test('what is damaged, strange or forbidden in the cache refuses nothing', async () => {
  const place = new Place();
  await place.make();
  await place.round(2);
  const [file = ''] = place.seen();
  const folder = dirname(file);
  writeFileSync(file, '');
  await place.with((repository) => repository.stats());
  for (const name of ['', 'x', '99-ff', `9999999999999999-${'0'.repeat(63)}`, `0000000000000009-${'G'.repeat(64)}`]) {
    writeFileSync(join(folder, `${name}~`), 'x');
    if (name !== '') writeFileSync(join(folder, name), 'x');
  }
  await place.with((repository) => repository.stats());
  // Two of a number tell nothing.
  writeFileSync(join(folder, `0000000000000001-${'1'.repeat(64)}`), '');
  await place.with((repository) => repository.stats());
  rmSync(folder, { recursive: true });
  writeFileSync(folder, 'a file where the folder should be');
  await place.with((repository) => repository.stats());
  rmSync(place.cache, { recursive: true });
  writeFileSync(place.cache, 'no cache at all');
  await place.round(3);
});

const seen = (round: number): { round: number; hash: string } => ({ round, hash: sha256(bytes(round, 8)) });

test('processes that save at once keep the greatest number', async () => {
  const folder = temporaryFolder();
  const pin = (accept = false): RoundPin =>
    new RoundPin(new FolderStore(folder, 1 << 20), { location: 'here', epoch: 0 }, accept);
  const all = Array.from({ length: 24 }, (_, n) => seen((n * 7) % 24));
  await Promise.all(all.map((one) => pin().save(one)));
  expect(await pin().load()).toEqual(seen(23));
  // One that comes late, with what it saw long ago.
  await pin().save(seen(5));
  expect(await pin().load()).toEqual(seen(23));
  const accepting = pin(true);
  expect(await accepting.load()).toBeUndefined();
  await accepting.save(seen(4));
  for (const one of [pin(), accepting]) expect(await one.load()).toEqual(seen(4));
  // Another epoch or place: nothing was seen.
  for (const place of [
    { location: 'here', epoch: 1 },
    { location: 'there', epoch: 0 },
  ]) {
    expect(await new RoundPin(new FolderStore(folder, 1 << 20), place, false).load()).toBeUndefined();
  }
});

test('the bound of the cache does not reach what was seen', async () => {
  const folder = temporaryFolder();
  const pin = new RoundPin(new FolderStore(folder, 100), { location: 'here', epoch: 0 }, false);
  const known = { round: 3, hash: sha256(BODY) };
  await pin.save(known);
  for (let n = 0; n < 8; n += 1) await new FolderStore(folder, 100).put(`index/${n}.idx`, bytes(n, 90));
  expect(await pin.load()).toEqual(known);
});

test('two processes that back up and prune with one cache refuse nothing', async () => {
  const place = new Place();
  await place.make();
  const work = async (seed: number): Promise<void> => {
    for (let n = 0; n < 4; n += 1) await place.round(seed + n);
  };
  await Promise.all([work(100), work(200)]);
  const file = join(place.folder, 'file');
  writeFileSync(file, BODY);
  const run = promisify(execFile);
  const client = async (): Promise<void> => {
    for (const args of [['ingest', file], ['prune', '--keep-last', '1'], ['snapshots']]) {
      await run(process.execPath, [MAIN, ...args, '--repo', place.at, '--cache', place.cache]);
    }
  };
  await Promise.all([client(), client()]);
  await run(process.execPath, [MAIN, 'prune', '--keep-last', '1', '--repo', place.at, '--cache', place.cache]);
  expect(await place.with((repository) => repository.listSnapshots())).toHaveLength(1);
});
