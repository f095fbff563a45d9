/** What comes out, and by which name it is asked for. */
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { type Repository, type RestoreOptions, type Snapshot } from '../../src/index.ts';
import { bytes, dump, random, sha256 } from '../support/data.ts';
import { collect, makeRepository, refusal, restored } from '../support/repositories.ts';

const SEED = 7_041;
const ITEMS = [
  { name: 'first', body: bytes(SEED, 300_000) },
  { name: 'empty', body: new Uint8Array(0) },
  { name: 'second', body: dump(SEED, 400_001) },
  // The same bytes again: every chunk of it is one of the first item.
  { name: 'again', body: bytes(SEED, 300_000) },
];
const ALL = Buffer.concat(ITEMS.map(({ body }) => body));

async function stored(): Promise<{ repository: Repository; snapshot: Snapshot }> {
  const repository = await makeRepository();
  const snapshot = await repository.ingestMulti(ITEMS.map(({ name, body }) => ({ name, stream: body })));
  return { repository, snapshot };
}

async function part(repository: Repository, id: string, options: RestoreOptions): Promise<string> {
  return sha256(await collect(await repository.restore(id, options)));
}

test('each item comes back, and without a name all of them in order', async () => {
  const { repository, snapshot } = await stored();
  for (const { name, body } of ITEMS) {
    expect(sha256(await restored(repository, snapshot.id, name)), name).toBe(sha256(body));
  }
  expect(sha256(await restored(repository, snapshot.id))).toBe(sha256(ALL));
  expect(snapshot.items[3]?.root).toBe(snapshot.items[0]?.root);
});

test(`any range comes back, within an item and across items (seed ${SEED})`, async () => {
  const { repository, snapshot } = await stored();
  const next = random(SEED);
  const ranges = Array.from({ length: 25 }, () => {
    const offset = next() % ALL.byteLength;
    return { offset, length: next() % (ALL.byteLength - offset + 1) };
  });
  const edges = [
    { offset: 0, length: 1 },
    { offset: ALL.byteLength - 1, length: 1 },
    { offset: 299_999, length: 2 },
    { offset: 0, length: ALL.byteLength },
    { offset: ALL.byteLength, length: 0 },
    { offset: 12, length: 0 },
  ];
  for (const { offset, length } of [...ranges, ...edges]) {
    const wanted = sha256(ALL.subarray(offset, offset + length));
    expect(await part(repository, snapshot.id, { offset, length }), `${offset} + ${length}`).toBe(wanted);
  }
  expect(await part(repository, snapshot.id, { offset: 1_000_000 })).toBe(sha256(ALL.subarray(1_000_000)));
  const item = await part(repository, snapshot.id, { item: 'second', offset: 100_000, length: 200_000 });
  expect(item).toBe(sha256(Buffer.from(dump(SEED, 400_001)).subarray(100_000, 300_000)));
});

test('a range beyond the end is refused, and so is what is no number of bytes', async () => {
  const { repository, snapshot } = await stored();
  const size = ALL.byteLength;
  for (const wrong of [{ offset: size + 1 }, { offset: size, length: 1 }, { length: size + 1 }]) {
    const error = await refusal(repository.restore(snapshot.id, wrong), 'INVALID_ARGUMENT');
    expect(error.message).toContain(`${size} bytes`);
  }
  for (const wrong of [-1, 1.5, Number.NaN, 2 ** 53, '3' as unknown as number]) {
    await refusal(repository.restore(snapshot.id, { offset: wrong }), 'INVALID_ARGUMENT');
    await refusal(repository.restore(snapshot.id, { length: wrong }), 'INVALID_ARGUMENT');
  }
});

test('a snapshot is found by its id, by a beginning that only it has, and as the latest', async () => {
  const { repository, snapshot } = await stored();
  expect(await repository.getSnapshot(snapshot.id)).toEqual(snapshot);
  expect(await repository.getSnapshot(snapshot.id.slice(0, 20))).toEqual(snapshot);
  expect(await repository.getSnapshot(snapshot.id.toUpperCase())).toEqual(snapshot);
  expect(await repository.getSnapshot('latest')).toEqual(snapshot);
  const newer = await repository.ingest(bytes(1, 10));
  expect(await repository.getSnapshot('latest')).toEqual(newer);
  expect(await restored(repository, 'latest')).toEqual(Buffer.from(bytes(1, 10)));
});

test('an unknown id, an ambiguous one and what is none are three different answers', async () => {
  const repository = await makeRepository();
  const nothing = await refusal(repository.getSnapshot('latest'), 'NOT_FOUND');
  expect(nothing.message).toContain('There is no snapshot in this repository yet');
  const all: Snapshot[] = [];
  // Of 17 ids, two begin with the same digit.
  for (let count = 0; count < 17; count += 1) all.push(await repository.ingest(bytes(count, 100)));
  const firsts = all.map(({ id }) => id[0] ?? '');
  const twice = firsts.find((digit, at) => firsts.indexOf(digit) !== at) ?? '';
  const ambiguous = await refusal(repository.restore(twice), 'INVALID_ARGUMENT');
  expect(ambiguous.message).toMatch(/is the start of \d+ snapshot ids .*Give more digits/);
  const unknown = await refusal(repository.restore('0123456789abcdef0123456789abcdef'), 'NOT_FOUND');
  expect(unknown.message).toContain('There is no snapshot 0123456789abcdef0123456789abcdef');
  for (const wrong of ['', 'yesterday', '../config', 'g'.repeat(32)]) {
    await refusal(repository.restore(wrong), 'INVALID_ARGUMENT');
  }
  await refusal(repository.restore(undefined as unknown as string), 'INVALID_ARGUMENT');
});

test('an item that is not there is NOT_FOUND, with its name and the snapshot', async () => {
  const { repository, snapshot } = await stored();
  const error = await refusal(repository.restore(snapshot.id, { item: 'third' }), 'NOT_FOUND');
  expect(error.message).toBe(`Snapshot ${snapshot.id} has no item "third".`);
});

test('streams that are opened together come back in whatever order they are read', async () => {
  const { repository, snapshot } = await stored();
  const names = [...ITEMS, ...ITEMS, ...ITEMS].map(({ name }) => name);
  const streams = await Promise.all(names.map((item) => repository.restore(snapshot.id, { item })));
  const read = await Promise.all(streams.toReversed().map(collect));
  expect(read.toReversed().map(sha256)).toEqual([...ITEMS, ...ITEMS, ...ITEMS].map(({ body }) => sha256(body)));
});

test('twelve streams that nobody has read hold nothing, and the last is read first', async () => {
  const { repository, snapshot } = await stored();
  const streams = await Promise.all(Array.from({ length: 12 }, () => repository.restore(snapshot.id)));
  for (const stream of streams.toReversed()) expect(sha256(await collect(stream))).toBe(sha256(ALL));
});

test('backups can be copied within a repository, several at once', async () => {
  const { repository, snapshot } = await stored();
  const copy = async (): Promise<Snapshot> => repository.ingest(await repository.restore(snapshot.id));
  const copies = await Promise.all([copy(), copy(), copy(), copy(), copy()]);
  for (const { id, newChunks } of copies) {
    expect(sha256(await restored(repository, id))).toBe(sha256(ALL));
    // Chunks around the borders of items may be new.
    expect(newChunks).toBeLessThan(20);
  }
});

test('a second client sees what the first one stored after both had opened', async () => {
  const backend = new MemoryBackend();
  const one = await makeRepository(backend);
  const { Repository: Class } = await import('../../src/index.ts');
  const two = await Class.open(backend.share(), { memoryLimit: 64 << 20 });
  const before = await two.ingest(bytes(5, 100_000));
  const after = await one.ingest(bytes(5, 100_000));
  expect(after.newChunks).toBe(0);
  expect((await two.listSnapshots()).map(({ id }) => id)).toEqual([before.id, after.id]);
  expect(sha256(await restored(two, after.id))).toBe(sha256(bytes(5, 100_000)));
  await two.close();
});
