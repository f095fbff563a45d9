/** What may be a key, and what may not. */
import assert from 'node:assert/strict';
import type { StorageBackend } from '../../core/backend.ts';
import { PackvaultError } from '../../core/errors.ts';
import type { ConformanceCase, Subject } from '../case.ts';
import { assertBytes, assertCode, bytesOf, contentOf, keysOf } from '../expect.ts';

const SEGMENT_OF_200 = 'k'.repeat(200);

/** A case: each of these keys is stored, read back, listed and deleted, beside the others. */
function holds(name: string, keys: readonly string[]): ConformanceCase {
  return {
    name,
    async run({ store }) {
      for (const [index, key] of keys.entries()) await store.put(key, bytesOf(index, 100), { mode: 'create' });
      for (const [index, key] of keys.entries()) {
        assertBytes(await store.get(key), bytesOf(index, 100), key);
        assert.equal((await store.stat(key)).key, key);
        assert.ok((await keysOf(store.list(key))).includes(key), `${key} is listed`);
      }
      assert.deepEqual((await keysOf(store.list(''))).toSorted(), keys.toSorted());
      await store.delete(keys);
      assert.deepEqual(await keysOf(store.list('')), []);
    },
  };
}

/** A case: one key, then one that lies below it or above it. Both are kept, or the second is refused and the first unharmed. */
function besides(name: string, first: string, second: string): ConformanceCase {
  return {
    name,
    async run({ store }) {
      await store.put(first, bytesOf(1, 100), { mode: 'create' });
      const refusal = await refusalOf(store, second);
      assert.ok(refusal === undefined || refusal === 'UNSUPPORTED', `a put of ${second} beside ${first}: ${refusal}`);
      const kept = await contentOf(store, second);
      if (refusal === undefined) assertBytes(kept ?? new Uint8Array(0), bytesOf(2, 50), second);
      else assert.equal(kept, undefined, `${second} was refused`);
      assertBytes(await store.get(first), bytesOf(1, 100), first);
      await store.delete([second]);
      assertBytes(await store.get(first), bytesOf(1, 100), `${first}, after ${second} was deleted`);
    },
  };
}

async function refusalOf(store: StorageBackend, key: string): Promise<string | undefined> {
  return store.put(key, bytesOf(2, 50), { mode: 'create' }).then(
    () => undefined,
    (error: unknown) => (PackvaultError.is(error) ? error.code : String(error)),
  );
}

const INVALID: readonly unknown[] = [
  '',
  '/',
  '/a',
  'a/',
  'a//b',
  '.',
  '..',
  './a',
  '../a',
  'a/.',
  'a/..',
  'a/./b',
  'a/../b',
  'A',
  'a b',
  'a\\b',
  'a~',
  'a%2fb',
  'a\0',
  'a\n',
  'é',
  '🗝',
  'k'.repeat(201),
  undefined,
  null,
  7,
  ['a'],
];

/** A case: this call with each invalid key is refused before the store is asked. */
function refusesInvalid(verb: string, call: (store: StorageBackend, key: string) => Promise<unknown>): ConformanceCase {
  return {
    name: `${verb} of what is no key is INVALID_ARGUMENT, and the store is not asked`,
    async run({ store, place }: Subject) {
      await store.put('a/b', bytesOf(1, 100), { mode: 'create' });
      const before = place.requests?.();
      for (const key of INVALID) await assertCode(call(store, key as string), 'INVALID_ARGUMENT');
      assert.equal(place.requests?.(), before, 'requests that reached the store');
      assert.deepEqual(await keysOf(store.list('')), ['a/b']);
    },
  };
}

export const keyCases: readonly ConformanceCase[] = [
  holds('every character of keys is held', ['abcdefghijklmnopqrstuvwxyz', '0123456789', '_.-', '-', '_', '--/__/-_.-']),
  holds('keys of 200 bytes are held', [
    SEGMENT_OF_200,
    `${SEGMENT_OF_200.slice(0, -1)}l`,
    `${'a/'.repeat(99)}bc`,
    `${'0123456789/'.repeat(18)}xy`,
  ]),
  holds('segments that hold dots are held', ['...', '..a', '.a/b', '.a/.b/..c', 'a..b', 'a/b...c/d', 'a/....d', '.-']),
  holds('segments that end in a dot are held', ['a.', 'a..', 'b./c.', 'd', 'd./e']),
  holds('keys of which one begins the other are held', ['a', 'aa', 'aaa', 'b/c', 'b/cc', 'bb/c', 'd', 'd.e']),
  holds('keys that look like numbers or options are held', ['0', '-1', '--help', '1e3', '-', '_']),
  besides('a key below another is kept beside it or UNSUPPORTED', 'a', 'a/b'),
  besides('a key above another is kept beside it or UNSUPPORTED', 'c/d/e', 'c/d'),
  refusesInvalid('put', async (store, key) => store.put(key, bytesOf(1, 10), { mode: 'overwrite' })),
  refusesInvalid('get', async (store, key) => store.get(key)),
  refusesInvalid('stat', async (store, key) => store.stat(key)),
  refusesInvalid('delete', async (store, key) => store.delete(['a/b', key])),
];
