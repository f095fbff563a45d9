/** get and stat: exactly the bytes asked for. */
import assert from 'node:assert/strict';
import type { GetOptions } from '../../core/backend.ts';
import type { ConformanceCase } from '../case.ts';
import { assertBytes, assertCode, bytesOf } from '../expect.ts';

const SIZE = 1_000;

/** A case on an object `a` of `SIZE` bytes: gets that give these bytes, from offset to end. */
function gives(name: string, gets: readonly (readonly [GetOptions, number, number])[]): ConformanceCase {
  return {
    name,
    async run({ store }) {
      const body = bytesOf(1, SIZE);
      await store.put('a', body, { mode: 'create' });
      for (const [options, start, end] of gets) {
        assertBytes(await store.get('a', options), body.subarray(start, end), JSON.stringify(options));
      }
    },
  };
}

/** A case on an object `a` of `size` bytes: gets that are refused. */
function refuses(
  name: string,
  code: 'RANGE_INVALID' | 'INVALID_ARGUMENT',
  gets: readonly GetOptions[],
  size = SIZE,
): ConformanceCase {
  return {
    name,
    async run({ store }) {
      await store.put('a', bytesOf(1, size), { mode: 'create' });
      for (const options of gets) await assertCode(store.get('a', options), code, 'a');
    },
  };
}

const wholeObjects: readonly ConformanceCase[] = [
  {
    name: 'an empty object is stored and read back',
    async run({ store }) {
      await store.put('a/empty', new Uint8Array(0), { mode: 'create' });
      assertBytes(await store.get('a/empty'), new Uint8Array(0), 'the empty object');
      assertBytes(await store.get('a/empty', { maxBytes: 0 }), new Uint8Array(0), 'the empty object');
    },
  },
  {
    name: 'a large object is read back',
    async run({ store, settings: { largeBytes } }) {
      await store.put('a/large', bytesOf(1, largeBytes), { mode: 'create' });
      assertBytes(await store.get('a/large'), bytesOf(1, largeBytes), 'the large object');
      const whole = await store.get('a/large', { offset: 0, length: largeBytes });
      assertBytes(whole, bytesOf(1, largeBytes), 'the large object, as a range');
    },
  },
  {
    name: 'the largest object is stored and read back',
    applies: ({ settings }) => settings.largestBytes !== undefined,
    async run({ store, settings: { largestBytes = 0 } }) {
      await store.put('a/largest', bytesOf(1, largestBytes), { mode: 'create' });
      assertBytes(await store.get('a/largest'), bytesOf(1, largestBytes), 'the largest object');
      await store.delete(['a/largest']);
    },
  },
  {
    name: 'a body of more than maxObjectSize bytes is INVALID_ARGUMENT, and nothing is stored',
    async run({ store, capabilities }) {
      const body = new Uint8Array(16);
      // It only says that it is so long: no machine has this much memory to spare.
      for (const name of ['length', 'byteLength']) {
        Object.defineProperty(body, name, { value: capabilities.maxObjectSize + 1 });
      }
      await assertCode(store.put('a', body, { mode: 'create' }), 'INVALID_ARGUMENT', 'a');
      await assertCode(store.get('a'), 'NOT_FOUND', 'a');
    },
  },
];

const ranges: readonly ConformanceCase[] = [
  gives('a range gives exactly its bytes', [
    [{ offset: 0, length: 1 }, 0, 1],
    [{ offset: 0, length: 500 }, 0, 500],
    [{ offset: 123, length: 456 }, 123, 579],
    [{ offset: 500, length: 500 }, 500, SIZE],
    [{ offset: 0, length: SIZE }, 0, SIZE],
  ]),
  gives('a range gives the last byte', [[{ offset: SIZE - 1, length: 1 }, SIZE - 1, SIZE]]),
  gives('a range without a length goes to the end', [
    [{ offset: 0 }, 0, SIZE],
    [{ offset: 1 }, 1, SIZE],
    [{ offset: SIZE - 1 }, SIZE - 1, SIZE],
  ]),
  gives('a range without an offset begins at the start', [[{ length: 10 }, 0, 10]]),
  refuses('a range that begins at the end is RANGE_INVALID', 'RANGE_INVALID', [
    { offset: SIZE, length: 1 },
    { offset: SIZE },
  ]),
  refuses('a range that begins behind the end is RANGE_INVALID', 'RANGE_INVALID', [
    { offset: SIZE + 1, length: 1 },
    { offset: 10 * SIZE, length: 1_000 },
    { offset: SIZE + 1 },
  ]),
  refuses('a range that ends behind the end is RANGE_INVALID, not clipped', 'RANGE_INVALID', [
    { offset: SIZE - 1, length: 2 },
    { offset: 0, length: SIZE + 1 },
    { offset: 500, length: 10 * SIZE },
  ]),
  refuses('a range of no bytes is RANGE_INVALID', 'RANGE_INVALID', [
    { offset: 0, length: 0 },
    { offset: 10, length: 0 },
    { offset: SIZE, length: 0 },
  ]),
  refuses('a range of an empty object is RANGE_INVALID', 'RANGE_INVALID', [{ offset: 0, length: 1 }, { offset: 1 }], 0),
  refuses('a range that is not in whole bytes is INVALID_ARGUMENT', 'INVALID_ARGUMENT', [
    { offset: -1, length: 1 },
    { offset: 0, length: -1 },
    { offset: 0.5, length: 1 },
    { offset: 0, length: 1.5 },
    { offset: Number.NaN },
    { offset: 0, length: Number.POSITIVE_INFINITY },
    { maxBytes: -1 },
  ]),
  gives('an object or a range of maxBytes is read', [
    [{ maxBytes: SIZE }, 0, SIZE],
    [{ maxBytes: SIZE + 1 }, 0, SIZE],
    [{ offset: 10, length: 20, maxBytes: 20 }, 10, 30],
  ]),
  refuses('an object or a range of more than maxBytes is RANGE_INVALID', 'RANGE_INVALID', [
    { maxBytes: SIZE - 1 },
    { maxBytes: 0 },
    { offset: 10, length: 20, maxBytes: 19 },
    { offset: 10, maxBytes: 20 },
  ]),
  {
    name: 'ranges of a large object, many at once, give exactly their bytes',
    async run({ store, settings: { largeBytes } }) {
      const body = bytesOf(1, largeBytes);
      await store.put('a', body, { mode: 'create' });
      const PARTS = 16;
      const length = Math.floor(largeBytes / PARTS) - 1;
      await Promise.all(
        Array.from({ length: PARTS }, async (_, part) => {
          const offset = part * (length + 1) + 1;
          assertBytes(await store.get('a', { offset, length }), body.subarray(offset, offset + length), `part ${part}`);
        }),
      );
    },
  },
];

const others: readonly ConformanceCase[] = [
  {
    name: 'an object that is not there is NOT_FOUND',
    async run({ store }) {
      await store.put('folder/a', bytesOf(1, 100), { mode: 'create' });
      for (const key of ['folder/b', 'folder', 'folder/a.b', 'other/a']) {
        await assertCode(store.get(key), 'NOT_FOUND', key);
        await assertCode(store.stat(key), 'NOT_FOUND', key);
        await assertCode(store.get(key, { offset: 10, length: 10 }), 'NOT_FOUND', key);
        await assertCode(store.get(key, { maxBytes: 10 }), 'NOT_FOUND', key);
      }
    },
  },
  {
    name: 'stat tells key, size and a sane time',
    async run({ store, settings: { largeBytes } }) {
      const DAY_MS = 86_400_000;
      const sizes = new Map([
        ['a', 0],
        ['folder/b', 1],
        ['folder/c', largeBytes],
      ]);
      for (const [key, size] of sizes) {
        await store.put(key, bytesOf(1, size), { mode: 'create' });
        const info = await store.stat(key);
        assert.equal(info.key, key);
        assert.equal(info.size, size);
        assert.ok(info.modifiedAt instanceof Date, 'modifiedAt is a Date');
        const awayMs = Math.abs(info.modifiedAt.getTime() - Date.now());
        assert.ok(awayMs < DAY_MS, `${String(info.modifiedAt)} is a day or more away from now`);
      }
    },
  },
];

export const readCases: readonly ConformanceCase[] = [...wholeObjects, ...ranges, ...others];
