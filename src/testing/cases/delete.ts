/** delete: what is named goes, and nothing else. */
import assert from 'node:assert/strict';
import type { ConformanceCase } from '../case.ts';
import { assertCode, contentOf, keysOf, putAll, sizeOf } from '../expect.ts';

// Beyond the largest batch of any known store there is nothing to learn.
const MOST_KEYS = 1_000;

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `a/${String(index).padStart(5, '0')}`);
}

export const deleteCases: readonly ConformanceCase[] = [
  {
    name: 'a deleted object is gone for get, stat and list, and only it',
    async run({ store }) {
      await putAll(store, ['a/b', 'a/bc', 'a/c', 'ab']);
      await store.delete(['a/b']);
      assert.equal(await contentOf(store, 'a/b'), undefined);
      assert.equal(await sizeOf(store, 'a/b'), undefined);
      assert.deepEqual(await keysOf(store.list('')), ['a/bc', 'a/c', 'ab']);
    },
  },
  {
    name: 'a delete of what is not there is fine',
    async run({ store }) {
      await putAll(store, ['a/b', 'a/c']);
      await store.delete(['a/d']);
      await store.delete(['other/folder/a', 'a/b', 'a/e']);
      assert.deepEqual(await keysOf(store.list('')), ['a/c']);
    },
  },
  {
    name: 'a delete of a folder of keys is fine, and deletes none of them',
    async run({ store }) {
      await putAll(store, ['a/b/c', 'a/b/d']);
      await store.delete(['a', 'a/b']);
      assert.deepEqual(await keysOf(store.list('')), ['a/b/c', 'a/b/d']);
    },
  },
  {
    name: 'a delete of no keys is fine',
    async run({ store }) {
      await putAll(store, ['a']);
      await store.delete([]);
      assert.deepEqual(await keysOf(store.list('')), ['a']);
    },
  },
  {
    name: 'a delete may name a key twice',
    async run({ store }) {
      await putAll(store, ['a', 'b']);
      await store.delete(['a', 'a']);
      assert.deepEqual(await keysOf(store.list('')), ['b']);
    },
  },
  {
    name: 'a delete takes as many keys as maxDeleteBatch, and leaves the caller its list',
    async run({ store, capabilities }) {
      const keys = numbered(Math.min(capabilities.maxDeleteBatch, MOST_KEYS));
      await putAll(store, [...keys, 'b']);
      const given = Object.freeze([...keys]);
      await store.delete(given);
      assert.deepEqual(await keysOf(store.list('')), ['b']);
    },
  },
  {
    name: 'a delete of more keys than maxDeleteBatch is INVALID_ARGUMENT and deletes nothing',
    async run({ store, capabilities }) {
      await putAll(store, ['a/00000', 'a/00001', 'b']);
      await assertCode(store.delete(numbered(capabilities.maxDeleteBatch + 1)), 'INVALID_ARGUMENT');
      assert.deepEqual(await keysOf(store.list('')), ['a/00000', 'a/00001', 'b']);
    },
  },
];
