/** list: every object once, in order of its key's bytes. */
import assert from 'node:assert/strict';
import type { ConformanceCase } from '../case.ts';
import { assertCode, bytesOf, infosOf, keysOf, putAll } from '../expect.ts';

// In ascending order of bytes: "-" "." "/" "0" "_" "a". A tree that is walked folder by folder gives another order.
const TRICKY = ['a', 'a-/b', 'a.b', 'a0/b', 'a_b', 'aa', 'b-c', 'b.c', 'b/c', 'b/c-d', 'b0', 'b_', 'ba'];

/** Always the same disorder. */
function shuffled(sorted: readonly string[]): string[] {
  const placed = sorted.map((key, index) => ({ key, place: Math.imul(index + 1, 0x9e3779b1) }));
  return placed.toSorted((left, right) => left.place - right.place).map(({ key }) => key);
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const digits = String(index).padStart(6, '0');
    return `packs/${digits.slice(0, 3)}/${digits}`;
  });
}

/** The last that is so, taken out. */
function take(keys: string[], isSo: (key: string) => boolean): string | undefined {
  const at = keys.findLastIndex(isSo);
  return at === -1 ? undefined : keys.splice(at, 1)[0];
}

/** A case on keys that are put in disorder: each listing gives these keys, in this order. */
function lists(
  name: string,
  keys: readonly string[],
  listings: readonly (readonly [prefix: string, startAfter: string | undefined, expected: readonly string[]])[],
): ConformanceCase {
  return {
    name,
    async run({ store }) {
      await putAll(store, keys.toReversed());
      for (const [prefix, startAfter, expected] of listings) {
        const found = await keysOf(store.list(prefix, { startAfter }));
        assert.deepEqual(found, expected, `prefix "${prefix}", startAfter ${JSON.stringify(startAfter)}`);
      }
    },
  };
}

const FOLDERS = [
  'index/1-a',
  'index/2-b',
  'packs/data/00/x',
  'packs/data/0a/y',
  'packs/data/10/z',
  'packs/parity/00/p',
];

const choosing: readonly ConformanceCase[] = [
  {
    name: 'an empty store lists nothing',
    async run({ store }) {
      assert.deepEqual(await keysOf(store.list('')), []);
      assert.deepEqual(await keysOf(store.list('packs/')), []);
    },
  },
  lists('a prefix that no object has lists nothing', FOLDERS, [
    ['packs/data/2', undefined, []],
    ['zebra/', undefined, []],
    ['packs/data/00/x/', undefined, []],
  ]),
  lists(
    'a prefix that is a folder lists what is in it',
    [...FOLDERS, 'packs/data-old/1', 'packs/data.txt'],
    [
      ['packs/data/', undefined, ['packs/data/00/x', 'packs/data/0a/y', 'packs/data/10/z']],
      ['index/', undefined, ['index/1-a', 'index/2-b']],
    ],
  ),
  lists('a prefix may end in the middle of a segment', FOLDERS, [
    ['packs/data/0', undefined, ['packs/data/00/x', 'packs/data/0a/y']],
    ['pa', undefined, FOLDERS.slice(2)],
    ['index/2', undefined, ['index/2-b']],
    ['packs/parity/00/p', undefined, ['packs/parity/00/p']],
  ]),
  lists('keys are in ascending order of their bytes', TRICKY, [['', undefined, TRICKY]]),
  lists('startAfter begins behind a key that is there', FOLDERS, [
    ['', FOLDERS[0], FOLDERS.slice(1)],
    ['', FOLDERS[3], FOLDERS.slice(4)],
    ['', FOLDERS[5], []],
    ['packs/data/', 'packs/data/00/x', FOLDERS.slice(3, 5)],
  ]),
  lists('startAfter need not be a key that is there', FOLDERS, [
    ['', '-', FOLDERS],
    ['', 'index', FOLDERS],
    ['', 'index/1-b', FOLDERS.slice(1)],
    ['', 'packs/data/0', FOLDERS.slice(2)],
    ['', 'packs/data/00/', FOLDERS.slice(2)],
    ['', 'packs/data/00/y', FOLDERS.slice(3)],
    ['', 'packs/data0', FOLDERS.slice(5)],
    ['', 'zebra', []],
  ]),
  lists('startAfter may lie outside the prefix', FOLDERS, [
    ['packs/data/', 'index/1-a', FOLDERS.slice(2, 5)],
    ['packs/data/', 'packs/parity/00/a', []],
    ['index/', 'zebra', []],
  ]),
  {
    name: 'a prefix that no key can begin with is INVALID_ARGUMENT',
    async run({ store }) {
      await store.put('a/b', bytesOf(1, 100), { mode: 'create' });
      for (const prefix of ['/', '../', './', 'a//', 'a/../', 'a/./', 'A', 'a b', 'a\\', 'é', 'x'.repeat(201)]) {
        await assertCode(keysOf(store.list(prefix)), 'INVALID_ARGUMENT');
      }
      await assertCode(keysOf(store.list('', { startAfter: 'A' })), 'INVALID_ARGUMENT');
    },
  },
];

const longOnes: readonly ConformanceCase[] = [
  {
    name: 'a long listing gives every key once, in order',
    async run({ store, settings: { manyKeys } }) {
      const keys = numbered(manyKeys);
      await putAll(store, shuffled(keys));
      assert.deepEqual(await keysOf(store.list('')), keys);
      assert.deepEqual(await keysOf(store.list('packs/')), keys);
    },
  },
  {
    name: 'a long listing goes on behind startAfter, over all of its pages',
    async run({ store, settings: { manyKeys } }) {
      const keys = numbered(manyKeys);
      await putAll(store, shuffled(keys));
      for (const at of [0, 1, 499, 999, 1_000, 1_001, manyKeys - 2].filter((index) => index < manyKeys)) {
        assert.deepEqual(await keysOf(store.list('packs/', { startAfter: keys[at] })), keys.slice(at + 1));
      }
    },
  },
  {
    name: 'a listing that is left early can be taken up again behind its last key',
    async run({ store }) {
      const keys = numbered(300);
      await putAll(store, shuffled(keys));
      const found: string[] = [];
      for (let last: string | undefined; ; last = found.at(-1)) {
        const before = found.length;
        for await (const { key } of store.list('packs/', { startAfter: last })) {
          found.push(key);
          if (found.length === before + 70) break;
        }
        if (found.length === before) break;
      }
      assert.deepEqual(found, keys);
    },
  },
  {
    name: 'two listings at once do not disturb each other',
    async run({ store }) {
      const keys = numbered(150);
      await putAll(store, shuffled(keys));
      const both = await Promise.all([keysOf(store.list('')), keysOf(store.list('packs/000/'))]);
      assert.deepEqual(both, [keys, keys]);
    },
  },
  {
    name: 'what stays is listed once while objects come and go',
    async run({ store }) {
      const all = numbered(200);
      const staying = all.filter((_, index) => index % 2 === 0);
      const going = all.filter((_, index) => index % 4 === 1);
      const coming = all.filter((_, index) => index % 4 === 3);
      await putAll(store, [...staying, ...going]);
      const found: string[] = [];
      for await (const { key } of store.list('')) {
        found.push(key);
        // Behind the place where the listing is, and before it.
        const isBehind = (other: string): boolean => other < key;
        const isBefore = (other: string): boolean => other > key;
        const less = take(going, found.length % 2 === 0 ? isBehind : isBefore);
        const more = take(coming, found.length % 3 === 0 ? isBehind : isBefore);
        if (less !== undefined) await store.delete([less]);
        if (more !== undefined) await store.put(more, bytesOf(1, 16), { mode: 'create' });
      }
      assert.deepEqual(
        found.filter((key) => staying.includes(key)),
        staying,
      );
      assert.equal(new Set(found).size, found.length, 'no key is listed twice');
      assert.deepEqual(found, found.toSorted(), 'the order holds');
    },
  },
  {
    name: 'a listing tells size and time of each object',
    async run({ store }) {
      const DAY_MS = 86_400_000;
      const sizes = [0, 1, 16, 1_000, 70_000];
      for (const size of sizes) await store.put(`a/${size}`, bytesOf(size, size), { mode: 'create' });
      const infos = await infosOf(store.list('a/'));
      assert.deepEqual(
        infos.map(({ key, size }) => [key, size]),
        [0, 1, 1_000, 16, 70_000].map((size) => [`a/${size}`, size]),
      );
      for (const { key, modifiedAt } of infos) {
        assert.ok(modifiedAt instanceof Date, `${key}: modifiedAt is a Date`);
        assert.ok(Math.abs(modifiedAt.getTime() - Date.now()) < DAY_MS, `${key}: ${String(modifiedAt)} is not today`);
      }
    },
  },
];

export const listCases: readonly ConformanceCase[] = [...choosing, ...longOnes];
