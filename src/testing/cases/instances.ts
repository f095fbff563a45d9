/** Several instances, and the end of one. */
import assert from 'node:assert/strict';
import type { ConformanceCase } from '../case.ts';
import { assertBytes, assertCode, bytesOf, contentOf, infosOf, keysOf, printable } from '../expect.ts';

export const instanceCases: readonly ConformanceCase[] = [
  {
    name: 'a second instance sees a put, an overwrite and a delete at once',
    async run({ store, open }) {
      const other = await open();
      for (let round = 0; round < 5; round += 1) {
        const key = `a/${round}`;
        assert.equal(await contentOf(other, key), undefined, 'before the put');
        await store.put(key, bytesOf(1, 100), { mode: 'create' });
        assertBytes(await other.get(key), bytesOf(1, 100), 'after the put');
        await store.put(key, bytesOf(2, 70), { mode: 'overwrite' });
        assertBytes(await other.get(key), bytesOf(2, 70), 'after the overwrite');
        assertBytes(await other.get(key, { offset: 60, length: 10 }), bytesOf(2, 70).subarray(60), 'its end');
        assert.deepEqual(await keysOf(other.list('a/')), [key]);
        await store.delete([key]);
        await assertCode(other.get(key), 'NOT_FOUND', key);
        assert.deepEqual(await keysOf(other.list('a/')), [], 'after the delete');
      }
    },
  },
  {
    name: 'an instance may make the first folder, and another use it',
    async run({ store, open }) {
      const other = await open();
      await Promise.all([
        store.put('new/folder/a', bytesOf(1, 100), { mode: 'create' }),
        other.put('new/folder/b', bytesOf(2, 100), { mode: 'create' }),
      ]);
      assert.deepEqual(await keysOf(store.list('new/')), ['new/folder/a', 'new/folder/b']);
    },
  },
  {
    name: 'places do not see each other',
    async run({ store, open, another }) {
      const other = await open(await another());
      await store.put('a/b', bytesOf(1, 100), { mode: 'create' });
      await other.put('b', bytesOf(2, 100), { mode: 'create' });
      assert.equal(await contentOf(other, 'a/b'), undefined);
      assert.deepEqual(await keysOf(other.list('')), ['b']);
      await other.put('a/b', bytesOf(2, 100), { mode: 'create' });
      await other.delete(['a/b']);
      assertBytes(await store.get('a/b'), bytesOf(1, 100), 'the object of the first place');
      assert.deepEqual(await keysOf(store.list('')), ['a/b']);
    },
  },
  {
    name: 'disposal can be repeated, and leaves objects and other instances as they are',
    async run({ store, open }) {
      const [other, third] = [await open(), await open()];
      await other.put('a', bytesOf(1, 100), { mode: 'create' });
      await other[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
      await Promise.all([third[Symbol.asyncDispose](), third[Symbol.asyncDispose]()]);
      assertBytes(await store.get('a'), bytesOf(1, 100), 'the object');
    },
  },
  {
    name: 'location and capabilities make sense',
    async run({ store, factory: { secrets = [] } }) {
      assert.ok(store.location.length > 0, 'a location is not empty');
      for (const secret of secrets) assert.ok(!store.location.includes(secret), 'a location holds no secret');
      const { exclusiveCreate, durablePut, maxObjectSize, maxDeleteBatch } = store.capabilities;
      assert.equal(typeof exclusiveCreate, 'boolean');
      assert.equal(typeof durablePut, 'boolean');
      const PACK_BYTES = 64 * 1024 * 1024;
      assert.ok(Number.isSafeInteger(maxObjectSize) && maxObjectSize >= PACK_BYTES, 'an object can hold a pack');
      assert.ok(Number.isSafeInteger(maxDeleteBatch) && maxDeleteBatch >= 1, 'a delete can name a key');
    },
  },
  {
    name: 'no error of a healthy store tells a secret',
    applies: ({ factory }) => (factory.secrets ?? []).length > 0,
    async run({ store, factory: { secrets = [] } }) {
      await store.put('a', bytesOf(1, 100), { mode: 'create' });
      const aborted = AbortSignal.abort(new Error('the caller changed its mind'));
      const failing = [
        store.put('a', bytesOf(1, 100), { mode: 'create' }),
        store.put('A', bytesOf(1, 100), { mode: 'create' }),
        store.put('b', bytesOf(1, 100), { mode: 'create', signal: aborted }),
        store.get('none'),
        store.get('a', { offset: 100, length: 1 }),
        store.get('a', { maxBytes: 1 }),
        store.stat('none'),
        store.delete(['A']),
        infosOf(store.list('A')),
      ];
      for (const outcome of await Promise.allSettled(failing)) {
        for (const secret of secrets) assert.ok(!printable(outcome).includes(secret), 'an error tells a secret');
      }
    },
  },
];
