import { expect, test } from 'vitest';
import { Cli } from '../support/cli.ts';
import { type Killed, kills } from '../support/cli-kill.ts';
import { random } from '../support/data.ts';

const SEED = Number(process.env['PACKVAULT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const KILLS = 100;

test(`after a hundred kills of an ingest earlier snapshots come back and the next ingest succeeds (seed ${SEED})`, async () => {
  console.log(`PACKVAULT_SEED=${SEED}`);
  const all: Killed[] = [];
  for await (const killed of kills(new Cli(), KILLS, random(SEED))) all.push(killed);
  expect(all).toHaveLength(KILLS);
  for (const of of ['bytes', 'objects', 'temporaries'] as const) {
    const some = all.filter(({ moment, acknowledged }) => moment.of === of && !acknowledged);
    console.log(
      `killed by ${of}: ${some.length}, with objects left ${some.filter(({ objects }) => objects > 0).length}`,
    );
    expect(some.length, of).toBeGreaterThan(0);
  }
  expect(all.some(({ temporaries }) => temporaries > 0)).toBe(true);
}, 1_800_000);
