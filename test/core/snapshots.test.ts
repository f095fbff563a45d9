/** Listing, filtering, and what a snapshot may be called. */
import { expect, test } from 'vitest';
import type { IngestItem, IngestOptions, SnapshotFilter } from '../../src/index.ts';
import { bytes } from '../support/data.ts';
import { makeRepository, refusal, restored } from '../support/repositories.ts';

test('snapshots are listed oldest first, as they were returned', async () => {
  const repository = await makeRepository();
  expect(await repository.listSnapshots()).toEqual([]);
  const made = [];
  for (let count = 0; count < 5; count += 1) made.push(await repository.ingest(bytes(count, 1_000)));
  expect(await repository.listSnapshots()).toEqual(made);
  const one: unknown[] = [];
  for await (const snapshot of repository.snapshots()) one.push(snapshot);
  expect(one).toEqual(made);
});

test('a snapshot has the members that are promised, and no others', async () => {
  const repository = await makeRepository();
  const first = await repository.ingest(bytes(1, 500_000), { tags: { a: 'b' }, sha256: true });
  expect(first).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{32}$/),
    version: 1,
    createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    tags: { a: 'b' },
    originalSize: 500_000,
    storedSize: expect.any(Number),
    chunkCount: expect.any(Number),
    newChunks: first.chunkCount,
    reusedChunks: 0,
    items: [
      {
        name: 'data',
        type: 'stream',
        size: 500_000,
        chunkCount: first.chunkCount,
        root: expect.stringMatching(/^[0-9a-f]{64}$/),
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    ],
  });
  // Random bytes: nothing is saved, and little is added.
  expect(first.storedSize).toBeGreaterThan(500_000);
  expect(first.storedSize).toBeLessThan(510_000);
  const again = await repository.ingest(bytes(1, 500_000));
  expect(again).toMatchObject({ storedSize: 0, newChunks: 0, reusedChunks: first.chunkCount });
  expect(again.items[0]).not.toHaveProperty('sha256');
  expect(again.items[0]?.root).toBe(first.items[0]?.root);
});

test('a filter takes snapshots that have all of its tags', async () => {
  const repository = await makeRepository();
  const a = await repository.ingest(bytes(1, 10), { tags: { host: 'x', service: 'db' } });
  const b = await repository.ingest(bytes(2, 10), { tags: { host: 'y', service: 'db' } });
  const c = await repository.ingest(bytes(3, 10));
  const ids = async (filter: SnapshotFilter): Promise<string[]> =>
    (await repository.listSnapshots(filter)).map(({ id }) => id);
  expect(await ids({ tags: { service: 'db' } })).toEqual([a.id, b.id]);
  expect(await ids({ tags: { service: 'db', host: 'y' } })).toEqual([b.id]);
  expect(await ids({ tags: { service: 'DB' } })).toEqual([]);
  expect(await ids({ tags: {} })).toEqual([a.id, b.id, c.id]);
});

test('a filter takes snapshots between two moments, both included', async () => {
  const repository = await makeRepository();
  const all = [];
  for (let count = 0; count < 4; count += 1) all.push(await repository.ingest(bytes(count, 10)));
  const [, second, third] = all.map(({ createdAt }) => createdAt);
  const ids = async (filter: SnapshotFilter): Promise<string[]> =>
    (await repository.listSnapshots(filter)).map(({ id }) => id);
  const between = all.filter(({ createdAt }) => createdAt >= (second ?? '') && createdAt <= (third ?? ''));
  const wanted = between.map(({ id }) => id);
  expect(wanted.length).toBeGreaterThanOrEqual(2);
  expect(await ids({ after: second, before: third })).toEqual(wanted);
  expect(await ids({ after: new Date(second ?? ''), before: new Date(third ?? '') })).toEqual(wanted);
  expect(await ids({ after: second?.replace('Z', '+00:00'), before: third?.replace('T', ' ') })).toEqual(wanted);
  expect(await ids({ after: '2020-01-01', before: '2999-12-31' })).toHaveLength(4);
  expect(await ids({ before: '2020-02-29' })).toEqual([]);
  expect(await ids({ after: '2999-12-31T23:59:59.999-12:00' })).toEqual([]);
});

const NO_DATES: readonly unknown[] = [
  'yesterday',
  '',
  'backup 7',
  '2026-02-30',
  '2026-13-01',
  '2025-02-29T00:00:00Z',
  '2026-03-01T25:00:00Z',
  '2026-03-01T12:00:00',
  '03/01/2026',
  1_772_323_200_000,
  null,
  new Date('nonsense'),
];

for (const value of NO_DATES) {
  test(`${String(value)} as a ${typeof value} is no date`, async () => {
    const repository = await makeRepository();
    await repository.ingest(bytes(1, 10));
    for (const name of ['after', 'before']) {
      const error = await refusal(repository.listSnapshots({ [name]: value }), 'INVALID_ARGUMENT');
      expect(error.message).toMatch(new RegExp(`^${name} is not a date: .*Nothing was changed\\.$`));
    }
  });
}

const NAMES: Readonly<Record<string, string>> = {
  slashes: '/etc/../a//b/',
  'a drive': 'C:\\data\\x',
  'one blank': ' ',
  'a dot': '.',
  emoji: '💾 backup 👩‍👩‍👧‍👦',
  'combining marks': 'e\u0301 and \u00e9',
  'a line break': 'a\nb',
  'the longest': 'x'.repeat(65_535),
  'the longest of two-byte letters': `${'é'.repeat(32_767)}x`,
  'a property of objects': '__proto__',
};

for (const [kind, name] of Object.entries(NAMES)) {
  test(`an item may be called ${kind}`, async () => {
    const repository = await makeRepository();
    const { id } = await repository.ingestMulti([{ name, type: name.slice(0, 100), stream: bytes(1, 10) }]);
    const { items } = await repository.getSnapshot(id);
    expect(items[0]?.name).toBe(name);
    expect(items[0]?.type).toBe(name.slice(0, 100));
    expect(await restored(repository, id, name)).toEqual(Buffer.from(bytes(1, 10)));
  });
}

const NO_NAMES: Readonly<Record<string, readonly [unknown, RegExp]>> = {
  'no name': [undefined, /^Every item needs a name\./],
  'an empty name': ['', /^Every item needs a name\./],
  'a number': [7, /^Every item needs a name\./],
  'a NUL': ['a\0b', /^The item name "a\\u0000b" holds a NUL\./],
  '65,536 bytes': ['x'.repeat(65_536), /^An item's name has 65536 bytes; 65,535 are the most\./],
  'too many two-byte letters': ['é'.repeat(32_768), /65536 bytes/],
  'half a surrogate pair': ['\ud83d', /^The item name "\\ud83d" is not well-formed Unicode\./],
};

for (const [kind, [name, said]] of Object.entries(NO_NAMES)) {
  test(`an item can't have ${kind} for a name`, async () => {
    const repository = await makeRepository();
    const items = [
      { name: 'good', stream: bytes(1, 10) },
      { name, stream: bytes(2, 10) },
    ] as IngestItem[];
    const error = await refusal(repository.ingestMulti(items), 'INVALID_ARGUMENT');
    expect(error.message).toMatch(said);
    expect(error.message).toMatch(/Nothing was changed\.$/);
    expect(await repository.listSnapshots()).toEqual([]);
  });
}

test('no items, and two of one name, are refused', async () => {
  const repository = await makeRepository();
  const stream = bytes(1, 10);
  const none = await refusal(repository.ingestMulti([]), 'INVALID_ARGUMENT');
  expect(none.message).toBe('There are no items to ingest. Nothing was changed.');
  await refusal(repository.ingestMulti(undefined as unknown as IngestItem[]), 'INVALID_ARGUMENT');
  await refusal(repository.ingestMulti([null as unknown as IngestItem]), 'INVALID_ARGUMENT');
  const twice = await refusal(
    repository.ingestMulti([
      { name: 'a', stream },
      { name: 'b', stream },
      { name: 'a', stream },
    ]),
    'INVALID_ARGUMENT',
  );
  expect(twice.message).toBe('Two items have the name "a". Nothing was changed.');
  for (const items of [[], [{ name: 'a' }, { name: 'b' }]]) {
    await refusal(repository.ingest(stream, { items }), 'INVALID_ARGUMENT');
  }
});

test('65,536 items are the most', async () => {
  const repository = await makeRepository();
  const items = Array.from({ length: 65_537 }, (_, at) => ({ name: `${at}`, stream: bytes(1, 1) }));
  const error = await refusal(repository.ingestMulti(items), 'INVALID_ARGUMENT');
  expect(error.message).toContain('A snapshot has 1 to 65,536 items.');
  expect(await repository.listSnapshots()).toEqual([]);
});

test('the same name in another form of Unicode is another name', async () => {
  const repository = await makeRepository();
  const { items } = await repository.ingestMulti([
    { name: '\u00e9', stream: bytes(1, 10) },
    { name: 'e\u0301', stream: bytes(2, 10) },
  ]);
  expect(items).toHaveLength(2);
});

test('tags may be any text up to 4,096 bytes, and 1,024 of them', async () => {
  const repository = await makeRepository();
  const tags = Object.fromEntries(Array.from({ length: 1_022 }, (_, at) => [`tag ${at}`, `${at}`]));
  const given = { ...tags, '💾': 'line\nbreak\0', ['x'.repeat(4_096)]: 'y'.repeat(4_096) };
  const { id } = await repository.ingest(bytes(1, 10), { tags: given });
  expect((await repository.getSnapshot(id)).tags).toEqual(given);
});

const NO_TAGS: Readonly<Record<string, unknown>> = {
  'a number': { a: 1 },
  'nothing for a value': { a: undefined },
  'half a surrogate pair': { a: '\udc00' },
  'a value of 4,097 bytes': { a: 'x'.repeat(4_097) },
  'a name of 4,097 bytes': { ['x'.repeat(4_097)]: '' },
  '1,025 tags': Object.fromEntries(Array.from({ length: 1_025 }, (_, at) => [`${at}`, ''])),
  'a list': ['a'],
  text: 'a=b',
};

for (const [kind, tags] of Object.entries(NO_TAGS)) {
  test(`tags can't be ${kind}`, async () => {
    const repository = await makeRepository();
    await refusal(repository.ingest(bytes(1, 10), { tags } as IngestOptions), 'INVALID_ARGUMENT');
    expect(await repository.listSnapshots()).toEqual([]);
  });
}
