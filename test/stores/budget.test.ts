/** How many requests the verbs make: on large stores each one costs money and a round trip. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { type InitOptions, Repository } from '../../src/index.ts';
import { RecordBackend, type RecordedRequest } from '../../src/testing/index.ts';
import { bytes } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';
import { KDF, restored } from '../support/repositories.ts';

const MIB = 1 << 20;
const SMALL_CHUNKS = { min: 4_096, average: 16_384, max: 65_536 };
const PACKS_OF_A_MIB: InitOptions = { packSize: MIB, chunking: SMALL_CHUNKS, parity: false };
const BODY = bytes(1, 24 * MIB);

interface Bucket {
  readonly record: RecordBackend;
  readonly open: () => Promise<Repository>;
  readonly id: string;
  /** What the first ingest asked of the store. */
  readonly first: readonly RecordedRequest[];
}

/** An encrypted repository of one backup, and a client that has opened it before. */
async function bucket(init: InitOptions, body: Uint8Array): Promise<Bucket> {
  const record = new RecordBackend(new MemoryBackend());
  const options: InitOptions = { passphrase: 'x', cache: join(temporaryFolder(), 'cache'), threads: 2 };
  const repository = await Repository.init(record, { ...options, ...init, kdf: KDF });
  record.reset();
  const { id } = await repository.ingest(body);
  const first = record.log;
  await repository.close();
  const open = async (): Promise<Repository> => Repository.open(record, options);
  // As every night: it opens, takes stock, ends.
  const warm = await open();
  await warm.listSnapshots();
  await warm.verify({ level: 'quick' });
  await warm.close();
  record.reset();
  return { record, open, id, first };
}

/** Runs a verb on a repository that is opened for it, and returns the requests of both. */
async function requests(own: Bucket, verb: (repository: Repository) => Promise<unknown>): Promise<RecordedRequest[]> {
  own.record.reset();
  const repository = await own.open();
  await verb(repository);
  await repository.close();
  return [...own.record.log];
}

/** The verbs and places of requests, such as `list index/`. */
function inWords(all: readonly RecordedRequest[]): string[] {
  return all.map(({ verb, key }) => `${verb} ${/^(?:[^/]*\/(?:data\/|parity\/)?)?/.exec(key)?.[0] || key}`);
}

function inPlace(all: readonly RecordedRequest[], verb: string, place: string): RecordedRequest[] {
  return all.filter((request) => request.verb === verb && request.key.startsWith(place));
}

test('a repository that is known is opened with two requests', async () => {
  const own = await bucket(PACKS_OF_A_MIB, bytes(1, MIB));
  expect(inWords(await requests(own, async () => undefined))).toEqual(['get config.json', 'list keys/']);
});

test('an ingest without changes takes seven requests, opening included', async () => {
  const own = await bucket(PACKS_OF_A_MIB, BODY);
  expect(inWords(await requests(own, (repository) => repository.ingest(BODY))).toSorted()).toEqual([
    'get config.json',
    'list gc/',
    'list gc/',
    'list index/',
    'list keys/',
    'put snapshots/',
    'put snapshots/',
  ]);
});

for (const parity of [false, { data: 4, parity: 2 }] as const) {
  test(`an ingest with changes adds one put per ${parity ? 'pack, parity object' : 'pack'} and idx to seven`, async () => {
    const own = await bucket({ ...PACKS_OF_A_MIB, parity }, BODY);
    const more = Buffer.concat([BODY, bytes(2, 10 * MIB)]);
    const all = await requests(own, (repository) => repository.ingest(more));
    const [packs, parities] = ['packs/data/', 'packs/parity/'].map((place) => inPlace(all, 'put', place).length);
    const idx = inPlace(all, 'put', 'index/').length;
    expect(packs).toBeGreaterThanOrEqual(10);
    expect(packs).toBeLessThanOrEqual(12);
    expect(parities).toBe(parity ? 2 * Math.ceil((packs ?? 0) / 4) : 0);
    expect(idx).toBe(1);
    expect(all.length - (packs ?? 0) - (parities ?? 0) - idx).toBe(7);
  });
}

for (const [how, run] of Object.entries({
  'to a stream': (repository: Repository, id: string) => restored(repository, id),
  'to a file': (repository: Repository, id: string) => repository.restoreTo(join(temporaryFolder(), 'out'), id),
})) {
  test(`a restore ${how} reads each pack that it needs about once`, async () => {
    const own = await bucket(PACKS_OF_A_MIB, BODY);
    const all = await requests(own, (repository) => run(repository, own.id));
    const gets = inPlace(all, 'get', 'packs/');
    const touched = new Set(gets.map(({ key }) => key)).size;
    expect(touched).toBeGreaterThanOrEqual(24);
    expect(gets.length / touched).toBeLessThanOrEqual(1.2);
    // It holds what it reads: puts that, looks for rounds, and takes it back.
    const hold = all.filter(({ key }) => key.endsWith('.hold'));
    expect(inWords(hold)).toEqual(['put snapshots/', 'delete snapshots/']);
    // Nothing else but the bodies and what shows who is there.
    expect(all.length - gets.length - hold.length - 1).toBeLessThanOrEqual(8);
    const read = gets.reduce((sum, request) => sum + request.bytes, 0);
    expect(read).toBeLessThan(BODY.byteLength * 1.02);
  });
}

test('a range of a backup reads the packs that it touches and no more', async () => {
  const own = await bucket(PACKS_OF_A_MIB, BODY);
  const all = await requests(own, async (repository) => {
    const out: Uint8Array[] = [];
    for await (const part of await repository.restore(own.id, { offset: 12 * MIB, length: 100_000 })) out.push(part);
    expect(Buffer.concat(out).equals(BODY.subarray(12 * MIB, 12 * MIB + 100_000))).toBe(true);
  });
  expect(inPlace(all, 'get', 'packs/').length).toBeLessThanOrEqual(4);
  expect(all.reduce((sum, request) => sum + request.bytes, 0)).toBeLessThan(600_000);
});

test('a quick verify of what is known lists, and reads nothing but config', async () => {
  const own = await bucket(PACKS_OF_A_MIB, BODY);
  const all = await requests(own, (repository) => repository.verify({ level: 'quick' }));
  const gets = all.filter(({ verb }) => verb !== 'list');
  expect(new Set(inWords(gets))).toEqual(new Set(['get config.json']));
  expect(gets.length).toBeLessThanOrEqual(2);
  expect(all.length - gets.length).toBeLessThanOrEqual(8);
  // What it has not read itself it reads once: here all is new to it, by an ingest of its own.
  await requests(own, (repository) => repository.ingest(Buffer.concat([BODY, bytes(3, 4 * MIB)])));
  const first = await requests(own, (repository) => repository.verify({ level: 'quick' }));
  const bodies = inPlace(first, 'get', 'packs/');
  // Lists of chunks are 0.2 % of the data here.
  expect(bodies.reduce((sum, request) => sum + request.bytes, 0)).toBeLessThan(BODY.byteLength / 200);
  expect(bodies.length).toBeLessThanOrEqual(3);
  const second = await requests(own, (repository) => repository.verify({ level: 'quick' }));
  expect(inPlace(second, 'get', 'packs/')).toEqual([]);
});

test('no verb of every day asks for the head of an object', async () => {
  const own = await bucket(PACKS_OF_A_MIB, bytes(1, 2 * MIB));
  const all = await requests(own, async (repository) => {
    await repository.ingest(bytes(2, 2 * MIB));
    await restored(repository, own.id);
    await repository.restoreTo(join(temporaryFolder(), 'out'), own.id);
    await repository.listSnapshots();
    for (const level of ['quick', 'full'] as const) await repository.verify({ level });
    await repository.prune({ keepLast: 1 });
  });
  expect(all.length).toBeGreaterThan(20);
  expect(all.filter(({ verb }) => verb === 'stat')).toEqual([]);
});

test('at the defaults of large stores a GiB takes at most 40 requests that change something', async () => {
  const own = await bucket({}, bytes(1, 128 * MIB));
  const writes = own.first.filter(({ verb }) => verb === 'put' || verb === 'delete');
  const packs = inPlace(writes, 'put', 'packs/data/');
  // Full packs come with each 32 MiB; what each thread has begun at the end, and the rest, comes once with a backup.
  const full = packs.filter((request) => request.bytes > 24 * MIB);
  const stored = full.reduce((sum, request) => sum + request.bytes, 0);
  expect(stored).toBeGreaterThan(64 * MIB);
  const ofOneGiB = Math.ceil((full.length * 1_024 * MIB) / stored) + writes.length - full.length;
  expect(ofOneGiB).toBeLessThanOrEqual(40);
  expect(inWords(writes.filter((request) => !packs.includes(request))).toSorted()).toEqual([
    'put index/',
    'put snapshots/',
    'put snapshots/',
  ]);
});
