/** Two processes, and the sudden end of one. */
import assert from 'node:assert/strict';
import type { ConformanceCase, Given, Subject } from '../case.ts';
import { assertBytes, bytesOf, keysOf } from '../expect.ts';
import { StoreProcess } from '../process.ts';
import { assertOneWinner } from '../race.ts';
import { assertWhole, whileLooking } from './whole.ts';

// From at once to, on a fast machine, a tenth of a second later.
const KILLS_AFTER_TURNS = [0, 1, 8, 64, 512, 4_096, 32_768];

function hasProcesses({ factory, addressed }: Given): boolean {
  return factory.spawnable !== undefined && addressed;
}

async function start({ factory, place, own }: Subject): Promise<StoreProcess> {
  assert.ok(factory.spawnable !== undefined && place.address !== undefined, 'a place for `spawnable` has an address');
  return own(await StoreProcess.start(factory.spawnable, place.address));
}

export const processCases: readonly ConformanceCase[] = [
  {
    name: 'of creates that race in two processes one wins, and its bytes stay',
    applies: (given) => hasProcesses(given) && given.capabilities.exclusiveCreate,
    async run(subject) {
      const { store, settings } = subject;
      const racers = Math.ceil(settings.racers / 2);
      const processes = await Promise.all([start(subject), start(subject)]);
      for (let number = 0; number < settings.rounds; number += 1) {
        const round = { key: `race/${number}`, firstSeed: number * settings.racers, racers, size: 65_536 };
        const outcomes = await Promise.all(
          processes.map((one, index) => one.race({ ...round, firstSeed: round.firstSeed + index * racers })),
        );
        assertOneWinner(round, outcomes.flat(), await store.get(round.key));
      }
    },
  },
  {
    name: 'a create whose process is killed has stored all of the object or nothing, and can be repeated',
    applies: hasProcesses,
    async run(subject) {
      const { store, settings } = subject;
      const body = bytesOf(1, settings.largeBytes);
      for (const turns of KILLS_AFTER_TURNS) {
        const key = `a/${turns}`;
        const killed = await start(subject);
        const dying = killed.die({ key, seed: 1, size: body.byteLength, mode: 'create', turns });
        await whileLooking(dying, async () => assertWhole(store, key, [undefined, body]));
        await assertWhole(store, key, [undefined, body]);
        for (const left of await keysOf(store.list(''))) assert.match(left, /^a\/\d+$/, 'nothing else is left of it');
        await store.put(key, body, { mode: 'overwrite' });
        assertBytes(await store.get(key), body, 'the object of the second try');
      }
    },
  },
  {
    name: 'an overwrite whose process is killed has left the old object or the new one',
    applies: hasProcesses,
    async run(subject) {
      const { store, settings } = subject;
      const [old, body] = [bytesOf(1, settings.largeBytes), bytesOf(2, Math.ceil(settings.largeBytes / 2))];
      for (const turns of KILLS_AFTER_TURNS) {
        await store.put('a', old, { mode: 'overwrite' });
        const killed = await start(subject);
        const dying = killed.die({ key: 'a', seed: 2, size: body.byteLength, mode: 'overwrite', turns });
        await whileLooking(dying, async () => assertWhole(store, 'a', [old, body]));
        await assertWhole(store, 'a', [old, body]);
      }
    },
  },
];
