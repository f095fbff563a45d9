/** The two modes of put. */
import type { ConformanceCase } from '../case.ts';
import { assertBytes, assertCode, bytesOf } from '../expect.ts';
import { assertOneWinner, race } from '../race.ts';

export const createCases: readonly ConformanceCase[] = [
  {
    name: 'an object that was created is read back',
    async run({ store }) {
      await store.put('packs/data/0a/one', bytesOf(1, 10_000), { mode: 'create' });
      assertBytes(await store.get('packs/data/0a/one'), bytesOf(1, 10_000), 'the object');
    },
  },
  {
    name: 'a create that meets an object is ALREADY_EXISTS, and the object is kept',
    async run({ store }) {
      await store.put('a', bytesOf(1, 100), { mode: 'create' });
      await assertCode(store.put('a', bytesOf(2, 50), { mode: 'create' }), 'ALREADY_EXISTS', 'a');
      await assertCode(store.put('a', bytesOf(3, 200), { mode: 'create' }), 'ALREADY_EXISTS', 'a');
      assertBytes(await store.get('a'), bytesOf(1, 100), 'the first object');
    },
  },
  {
    name: 'a create that meets the same bytes is ALREADY_EXISTS too',
    async run({ store }) {
      await store.put('a', bytesOf(1, 100), { mode: 'create' });
      await assertCode(store.put('a', bytesOf(1, 100), { mode: 'create' }), 'ALREADY_EXISTS', 'a');
    },
  },
  {
    name: 'a create that meets an empty object is ALREADY_EXISTS',
    async run({ store }) {
      await store.put('a', new Uint8Array(0), { mode: 'create' });
      await assertCode(store.put('a', bytesOf(1, 100), { mode: 'create' }), 'ALREADY_EXISTS', 'a');
      assertBytes(await store.get('a'), new Uint8Array(0), 'the empty object');
    },
  },
  {
    name: 'a create after a delete stores the new object',
    async run({ store }) {
      await store.put('a', bytesOf(1, 100), { mode: 'create' });
      await store.delete(['a']);
      await store.put('a', bytesOf(2, 60), { mode: 'create' });
      assertBytes(await store.get('a'), bytesOf(2, 60), 'the second object');
    },
  },
  {
    name: 'an overwrite replaces an object as a whole, by a shorter and by a longer one',
    async run({ store }) {
      await store.put('a', bytesOf(1, 1_000), { mode: 'overwrite' });
      await store.put('a', bytesOf(2, 10), { mode: 'overwrite' });
      assertBytes(await store.get('a'), bytesOf(2, 10), 'the shorter object');
      await store.put('a', bytesOf(3, 2_000), { mode: 'overwrite' });
      assertBytes(await store.get('a'), bytesOf(3, 2_000), 'the longer object');
    },
  },
  {
    name: 'of racing creates, through two instances, one wins, and its bytes stay',
    applies: ({ capabilities }) => capabilities.exclusiveCreate,
    async run({ store, open, settings: { racers, rounds } }) {
      const stores = [store, await open()];
      for (let number = 0; number < rounds; number += 1) {
        const round = { key: `race/${number}`, firstSeed: number * racers, racers, size: 65_536 };
        assertOneWinner(round, await race(stores, round), await store.get(round.key));
      }
    },
  },
  {
    name: 'of racing creates of large objects one wins, and its bytes stay',
    applies: ({ capabilities }) => capabilities.exclusiveCreate,
    async run({ store, open, settings: { largeBytes } }) {
      const stores = [store, await open()];
      for (let number = 0; number < 3; number += 1) {
        const round = { key: `race/${number}`, firstSeed: number * 8, racers: 8, size: Math.ceil(largeBytes / 2) };
        assertOneWinner(round, await race(stores, round), await store.get(round.key));
      }
    },
  },
];
