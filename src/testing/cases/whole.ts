/** No reader ever sees part of a put. */
import assert from 'node:assert/strict';
import type { StorageBackend } from '../../core/backend.ts';
import type { ConformanceCase } from '../case.ts';
import { areSame, assertBytes, bytesOf, contentOf, infosOf, putAll, sizeOf, turnsOfEventLoop } from '../expect.ts';

/** Fails if get, stat or list shows anything else than one of `versions`; `undefined` among them stands for no object. */
export async function assertWhole(
  store: StorageBackend,
  key: string,
  versions: readonly (Uint8Array | undefined)[],
): Promise<void> {
  const sizes = new Set(versions.map((version) => version?.byteLength));
  const bytes = await contentOf(store, key);
  assert.ok(
    versions.some((version) => (version === undefined ? bytes === undefined : bytes && areSame(bytes, version))),
    `get showed ${bytes?.byteLength} bytes that are no whole object`,
  );
  const size = await sizeOf(store, key);
  assert.ok(sizes.has(size), `stat showed ${size} bytes, which is no whole object`);
  const listed = (await infosOf(store.list(key))).find((info) => info.key === key);
  assert.ok(sizes.has(listed?.size), `the listing showed ${listed?.size} bytes, which is no whole object`);
}

/** Looks at what others see while `work` is going on, at least once. Rejects if `look` or `work` does. */
export async function whileLooking(work: Promise<unknown>, look: () => Promise<void>): Promise<void> {
  const state = { going: true };
  const ended = (): void => {
    state.going = false;
  };
  const settled = work.then(ended, ended);
  try {
    do {
      await look();
      await turnsOfEventLoop(1);
    } while (state.going);
  } finally {
    await settled;
  }
  await work;
}

/** Puts again and again, aborting each a little later than the one before. What a resolved put stored must be there. */
async function abortPuts(
  store: StorageBackend,
  watcher: StorageBackend,
  puts: readonly { readonly key: string; readonly body: Uint8Array; readonly old: Uint8Array | undefined }[],
): Promise<void> {
  let turns = 0;
  for (const { key, body, old } of puts) {
    const controller = new AbortController();
    const reason = new Error('the caller changed its mind');
    const put = store.put(key, body, { mode: old === undefined ? 'create' : 'overwrite', signal: controller.signal });
    const outcome = put.then(
      () => 'stored' as const,
      (error: unknown) => error,
    );
    await turnsOfEventLoop(turns);
    controller.abort(reason);
    const how = await outcome;
    assert.ok(how === 'stored' || how === reason, 'an aborted put rejects with the reason of its signal');
    await assertWhole(watcher, key, how === 'stored' ? [body] : [body, old]);
    turns = turns * 2 + 1;
  }
}

export const wholeCases: readonly ConformanceCase[] = [
  {
    name: 'an object that is being created is seen whole or not at all',
    async run({ store, open, settings: { largeBytes } }) {
      const watcher = await open();
      for (const key of ['one', 'folder/two', 'folder/three']) {
        const body = bytesOf(key.length, largeBytes);
        await whileLooking(store.put(key, body, { mode: 'create' }), async () =>
          assertWhole(watcher, key, [undefined, body]),
        );
        await assertWhole(watcher, key, [body]);
      }
    },
  },
  {
    name: 'an object that is being overwritten is seen as before or as after',
    async run({ store, open, settings: { largeBytes } }) {
      const watcher = await open();
      const versions = [bytesOf(1, largeBytes), bytesOf(2, Math.ceil(largeBytes / 2)), bytesOf(3, largeBytes)];
      await store.put('a', bytesOf(3, largeBytes), { mode: 'create' });
      const overwrite = async (): Promise<void> => {
        for (const version of versions) await store.put('a', version, { mode: 'overwrite' });
      };
      await whileLooking(overwrite(), async () => assertWhole(watcher, 'a', versions));
      assertBytes(await store.get('a'), bytesOf(3, largeBytes), 'the last version');
    },
  },
  {
    name: 'a create that was aborted has stored all of the object or nothing',
    async run({ store, open, settings: { largeBytes } }) {
      const body = bytesOf(1, largeBytes);
      const puts = Array.from({ length: 8 }, (_, turn) => ({ key: `a/${turn}`, body, old: undefined }));
      await abortPuts(store, await open(), puts);
      const listed = await infosOf(store.list(''));
      for (const { key } of listed) assert.match(key, /^a\/\d$/, 'nothing else is left of an aborted put');
    },
  },
  {
    name: 'an overwrite that was aborted has left the old object or the new one',
    async run({ store, open, settings: { largeBytes } }) {
      const [old, body] = [bytesOf(1, largeBytes), bytesOf(2, Math.ceil(largeBytes / 2))];
      const puts = Array.from({ length: 8 }, (_, turn) => ({ key: `a/${turn}`, body, old }));
      for (const { key } of puts) await store.put(key, old, { mode: 'create' });
      await abortPuts(store, await open(), puts);
    },
  },
  {
    name: 'puts of 32 keys at once are all stored',
    async run({ store }) {
      const keys = Array.from({ length: 32 }, (_, index) => `folder-${index % 3}/${index}`);
      await putAll(store, keys);
      for (const [index, key] of keys.entries()) assertBytes(await store.get(key), bytesOf(index, 16), key);
    },
  },
  {
    name: 'overwrites of one key at once leave one of their objects, whole',
    async run({ store }) {
      const bodies = Array.from({ length: 16 }, (_, index) => bytesOf(index, 10_000 + index));
      await Promise.all(bodies.map((body) => store.put('a', body, { mode: 'overwrite' })));
      await assertWhole(store, 'a', bodies);
    },
  },
];
