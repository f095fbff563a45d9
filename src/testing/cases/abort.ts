/** signal: before, during and after a call. */
import assert from 'node:assert/strict';
import { VERBS, type Verb } from '../../core/backend.ts';
import type { ConformanceCase } from '../case.ts';
import { assertBytes, bytesOf, callVerb, infosOf, keysOf, putAll, reasonOf, turnsOfEventLoop } from '../expect.ts';

/** A case: a call whose signal has aborted before. */
function before(verb: Verb): ConformanceCase {
  return {
    name: `${verb} with an aborted signal rejects with its reason, and the store is not asked`,
    async run({ store, place }) {
      await putAll(store, ['a', 'b']);
      const asked = place.requests?.();
      for (const reason of [new Error('the caller changed its mind'), 'a word', { code: 7 }]) {
        const given = await reasonOf(callVerb(store, verb, verb === 'put' ? 'c' : 'a', AbortSignal.abort(reason)));
        assert.equal(given, reason, 'the rejection is the reason itself');
      }
      assert.equal(place.requests?.(), asked, 'requests that reached the store');
      assert.deepEqual(await keysOf(store.list('')), ['a', 'b']);
    },
  };
}

export const abortCases: readonly ConformanceCase[] = [
  ...VERBS.map(before),
  {
    name: 'a get that is aborted on its way gives the whole object or the reason',
    async run({ store, settings: { largeBytes } }) {
      const body = bytesOf(1, largeBytes);
      await store.put('a', body, { mode: 'create' });
      for (let turns = 0; turns < 100; turns = turns * 2 + 1) {
        const controller = new AbortController();
        const reason = new Error('the caller changed its mind');
        const outcome = store.get('a', { signal: controller.signal }).catch((error: unknown) => error);
        await turnsOfEventLoop(turns);
        controller.abort(reason);
        const given = await outcome;
        if (given !== reason) assertBytes(given as Uint8Array, body, 'the object');
      }
    },
  },
  {
    name: 'a listing that is aborted ends with the reason',
    async run({ store }) {
      await putAll(store, ['a', 'b', 'c', 'd']);
      const controller = new AbortController();
      const reason = new Error('the caller changed its mind');
      const seen: string[] = [];
      const listing = async (): Promise<void> => {
        for await (const { key } of store.list('', { signal: controller.signal })) {
          seen.push(key);
          if (seen.length === 2) controller.abort(reason);
        }
      };
      assert.equal(await reasonOf(listing()), reason);
      assert.deepEqual(seen, ['a', 'b'], 'nothing is listed after the abort');
    },
  },
  {
    name: 'a signal that aborts after its call changes nothing',
    async run({ store }) {
      const controller = new AbortController();
      const { signal } = controller;
      await store.put('a', bytesOf(1, 100), { mode: 'create', signal });
      await store.get('a', { signal });
      await store.stat('a', { signal });
      await infosOf(store.list('', { signal }));
      await store.delete(['none'], { signal });
      controller.abort(new Error('too late'));
      await turnsOfEventLoop(1);
      assertBytes(await store.get('a'), bytesOf(1, 100), 'the object');
    },
  },
  {
    name: 'an aborted call does not disturb the others of its instance',
    async run({ store }) {
      await putAll(store, ['a', 'b']);
      const controller = new AbortController();
      const gets = Array.from({ length: 8 }, async () => store.get('a', { signal: controller.signal }));
      const others = Array.from({ length: 8 }, async () => store.get('b'));
      controller.abort(new Error('the caller changed its mind'));
      await Promise.allSettled(gets);
      for (const bytes of await Promise.all(others)) assertBytes(bytes, bytesOf(1, 16), 'b');
    },
  },
];
