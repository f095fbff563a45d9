/** How failures are told. Each case needs a store that is broken in its way: `broken` of the factory. */
import assert from 'node:assert/strict';
import { type StorageBackend, VERBS, type Verb } from '../../core/backend.ts';
import { type ErrorCode, PackvaultError, type RetryClass } from '../../core/errors.ts';
import type { ConformanceCase, Subject } from '../case.ts';
import {
  areSame,
  assertBytes,
  bytesOf,
  callVerb,
  contentOf,
  errorOf,
  keysOf,
  printable,
  reasonOf,
  turnsOfEventLoop,
} from '../expect.ts';
import type { BrokenStores } from '../store.ts';

type Way = keyof BrokenStores;

/** What a store that is broken in one way answers. */
interface Expected {
  readonly name: string;
  readonly way: Way;
  readonly verbs: readonly Verb[];
  readonly codes: readonly ErrorCode[];
  /** Default: any. */
  readonly retry?: RetryClass;
}

const SIZE = 100_000;
const READS: readonly Verb[] = ['get', 'stat', 'list'];
const READ_AND_PUT: readonly Verb[] = ['put', ...READS];

const EXPECTED: readonly Expected[] = [
  {
    // Deletes may succeed: what is not there is fine.
    name: 'a missing bucket is UNAVAILABLE, not NOT_FOUND',
    way: 'missingBucket',
    verbs: READ_AND_PUT,
    codes: ['UNAVAILABLE'],
    retry: 'never',
  },
  {
    name: 'a refused login is UNAUTHENTICATED, or PERMISSION_DENIED where the store does not tell them apart',
    way: 'wrongCredentials',
    verbs: VERBS,
    codes: ['UNAUTHENTICATED', 'PERMISSION_DENIED'],
    retry: 'never',
  },
  {
    name: 'a login that may only read meets PERMISSION_DENIED when it writes',
    way: 'readOnly',
    verbs: ['put', 'delete'],
    codes: ['PERMISSION_DENIED'],
    retry: 'never',
  },
  {
    name: 'a login that may not delete meets PERMISSION_DENIED when it does',
    way: 'undeletable',
    verbs: ['delete'],
    codes: ['PERMISSION_DENIED'],
    retry: 'never',
  },
  {
    name: 'a refused connection is UNAVAILABLE and safe',
    way: 'refused',
    verbs: VERBS,
    codes: ['UNAVAILABLE'],
    retry: 'safe',
  },
  { name: 'an unknown host is UNAVAILABLE', way: 'unknownHost', verbs: VERBS, codes: ['UNAVAILABLE'] },
  {
    name: 'a store that never answers is UNAVAILABLE and safe',
    way: 'silent',
    verbs: VERBS,
    codes: ['UNAVAILABLE'],
    retry: 'safe',
  },
  {
    name: 'throttling is RATE_LIMITED and safe',
    way: 'throttled',
    verbs: VERBS,
    codes: ['RATE_LIMITED'],
    retry: 'safe',
  },
  {
    name: 'a failure of the store is UNAVAILABLE and safe',
    way: 'failing',
    verbs: VERBS,
    codes: ['UNAVAILABLE'],
    retry: 'safe',
  },
  { name: 'a listing that is no listing is UNAVAILABLE', way: 'html', verbs: ['list'], codes: ['UNAVAILABLE'] },
  {
    name: 'a body whose connection breaks is UNAVAILABLE and safe',
    way: 'cutBody',
    verbs: ['get'],
    codes: ['UNAVAILABLE'],
    retry: 'safe',
  },
  {
    name: 'a body that stalls is UNAVAILABLE and safe',
    way: 'stalledBody',
    verbs: ['get'],
    codes: ['UNAVAILABLE'],
    retry: 'safe',
  },
  {
    name: 'a body that ends early is RANGE_INVALID or UNAVAILABLE',
    way: 'shortBody',
    verbs: ['get'],
    codes: ['RANGE_INVALID', 'UNAVAILABLE'],
  },
  {
    name: 'a body that was damaged on its way is UNAVAILABLE and safe',
    way: 'corruptedBody',
    verbs: ['get'],
    codes: ['UNAVAILABLE'],
    retry: 'safe',
  },
];

/** Puts the object `a` through a healthy instance, and opens a broken one. */
async function broken({ factory, place, store, own }: Subject, way: Way): Promise<StorageBackend> {
  await store.put('a', bytesOf(1, SIZE), { mode: 'create' });
  const open = factory.broken?.[way];
  assert.ok(open !== undefined, `the factory has broken.${way}`);
  return own(await open(place));
}

/** Calls each verb, and fails unless each is refused as expected and tells no secret. */
async function assertRefused(subject: Subject, store: StorageBackend, expected: Expected): Promise<void> {
  for (const verb of expected.verbs) {
    const error = await errorOf(callVerb(store, verb, verb === 'put' ? 'b' : 'a'));
    const shown = `${verb}: ${error.code}, retry ${error.retry}: ${error.message}`;
    assert.ok(expected.codes.includes(error.code), shown);
    if (expected.retry !== undefined) assert.equal(error.retry, expected.retry, shown);
    for (const secret of subject.factory.secrets ?? []) {
      assert.ok(!printable(error).includes(secret), `${verb}: an error tells a secret`);
      assert.ok(!store.location.includes(secret), 'a location tells a secret');
    }
  }
}

function isBroken(way: Way): (given: { readonly factory: { readonly broken?: BrokenStores } }) => boolean {
  return ({ factory }) => factory.broken?.[way] !== undefined;
}

const refusals = EXPECTED.map(
  (expected): ConformanceCase => ({
    name: expected.name,
    applies: isBroken(expected.way),
    async run(subject) {
      await assertRefused(subject, await broken(subject, expected.way), expected);
      assertBytes(await subject.store.get('a'), bytesOf(1, SIZE), 'the object, by a healthy way');
      assert.equal(await contentOf(subject.store, 'b'), undefined, 'what was refused is not stored');
    },
  }),
);

export const brokenCases: readonly ConformanceCase[] = [
  ...refusals,
  {
    name: 'a login that may only read reads',
    applies: isBroken('readOnly'),
    async run(subject) {
      const store = await broken(subject, 'readOnly');
      assertBytes(await store.get('a'), bytesOf(1, SIZE), 'the object');
      assert.equal((await store.stat('a')).size, SIZE);
      assert.deepEqual(await keysOf(store.list('')), ['a']);
    },
  },
  {
    name: 'throttling tells the pause that the store asked for',
    applies: isBroken('retryAfter'),
    async run(subject) {
      const store = await broken(subject, 'retryAfter');
      for (const verb of VERBS) {
        const error = await errorOf(callVerb(store, verb, verb === 'put' ? 'b' : 'a'));
        assert.equal(error.code, 'RATE_LIMITED', verb);
        assert.equal(error.context['retryAfterMs'], 3_000, `${verb}: context.retryAfterMs`);
      }
    },
  },
  {
    name: 'a call to a store that never answers can be aborted',
    applies: isBroken('silent'),
    async run(subject) {
      const store = await broken(subject, 'silent');
      for (const verb of VERBS) {
        const controller = new AbortController();
        const reason = new Error('the caller changed its mind');
        const call = reasonOf(callVerb(store, verb, verb === 'put' ? 'b' : 'a', controller.signal));
        await turnsOfEventLoop(10);
        controller.abort(reason);
        assert.equal(await call, reason, verb);
      }
    },
  },
  {
    name: 'a body that stalls can be aborted',
    applies: isBroken('stalledBody'),
    async run(subject) {
      const store = await broken(subject, 'stalledBody');
      const controller = new AbortController();
      const reason = new Error('the caller changed its mind');
      const call = reasonOf(store.get('a', { signal: controller.signal }));
      await turnsOfEventLoop(10);
      controller.abort(reason);
      assert.equal(await call, reason);
    },
  },
  ...(['cutBody', 'shortBody', 'ignoredRange'] as const).map(
    (name): ConformanceCase => ({
      name: `a range is exact or refused (${name})`,
      applies: isBroken(name),
      async run(subject) {
        const store = await broken(subject, name);
        const [offset, length] = [1_000, 50_000];
        const expected = bytesOf(1, SIZE).subarray(offset, offset + length);
        try {
          assertBytes(await store.get('a', { offset, length }), expected, 'the range');
        } catch (error) {
          assert.ok(PackvaultError.is(error), String(error));
          assert.ok(error.code === 'RANGE_INVALID' || error.code === 'UNAVAILABLE', error.code);
        }
      },
    }),
  ),
  {
    name: 'a body that is damaged on its way to the store is refused, and nothing is stored',
    applies: isBroken('corruptedUpload'),
    async run(subject) {
      const store = await broken(subject, 'corruptedUpload');
      const error = await errorOf(store.put('b', bytesOf(2, SIZE), { mode: 'create' }));
      assert.deepEqual([error.code, error.retry], ['UNAVAILABLE', 'safe'], error.message);
      assert.equal(await contentOf(subject.store, 'b'), undefined);
    },
  },
  {
    name: 'a create whose answer is lost is UNAVAILABLE and safe, and its object is there',
    applies: isBroken('lostAnswer'),
    async run(subject) {
      const store = await broken(subject, 'lostAnswer');
      const error = await errorOf(store.put('b', bytesOf(2, SIZE), { mode: 'create' }));
      assert.deepEqual([error.code, error.retry], ['UNAVAILABLE', 'safe'], error.message);
      const stored = await contentOf(subject.store, 'b');
      assert.ok(stored !== undefined && areSame(stored, bytesOf(2, SIZE)), 'the object');
    },
  },
  {
    name: 'a full store is OUT_OF_SPACE; nothing is stored, and what is there can be read',
    applies: isBroken('full'),
    async run(subject) {
      const store = await broken(subject, 'full');
      const error = await errorOf(store.put('b', bytesOf(2, SIZE), { mode: 'create' }));
      assert.deepEqual([error.code, error.retry], ['OUT_OF_SPACE', 'never'], error.message);
      assert.equal((await errorOf(store.put('a', bytesOf(2, SIZE), { mode: 'overwrite' }))).code, 'OUT_OF_SPACE');
      assertBytes(await store.get('a'), bytesOf(1, SIZE), 'the object that was there');
      assert.deepEqual(await keysOf(store.list('')), ['a']);
    },
  },
];
