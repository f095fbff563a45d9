import { rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Cli } from '../support/cli.ts';
import { body, complaints, files, type Killed, kills, make, type Owed, snapshotOf } from '../support/cli-kill.ts';
import { random, sha256 } from '../support/data.ts';

const SEED = Number(process.env['PACKVAULT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

test(`after ten kills of an ingest earlier snapshots come back and the next ingest succeeds (seed ${SEED})`, async () => {
  console.log(`PACKVAULT_SEED=${SEED}`);
  const all: Killed[] = [];
  for await (const killed of kills(new Cli(), 10, random(SEED))) all.push(killed);
  expect(all).toHaveLength(10);
  // Some may have been faster than the kill.
  expect(all.some(({ acknowledged }) => !acknowledged)).toBe(true);
}, 300_000);

test('a snapshot that is lost, and one that nobody asked for, are complaints', async () => {
  const cli = new Cli();
  await make(cli.repository);
  const input = body(1);
  const id = snapshotOf((await cli.ok(['ingest', '--json'], { input })).stdout);
  const owed: Owed = new Map([[id, sha256(input)]]);
  expect(await complaints(cli.repository, owed, [id], undefined)).toEqual([]);
  expect(await complaints(cli.repository, new Map(), [], undefined)).toEqual([
    expect.stringContaining(`snapshot ${id} was never acknowledged`),
  ]);
  expect(await complaints(cli.repository, new Map([[id, 'other']]), [id], undefined)).toEqual([
    expect.stringContaining(`snapshot ${id} was acknowledged and does not come back`),
  ]);
  for (const path of files(cli.repository).objects.filter((name) => /\.(pack|par)$/.test(name))) rmSync(path);
  const found = await complaints(cli.repository, owed, [id], undefined);
  expect(found).toContainEqual(expect.stringContaining(`snapshot ${id} was acknowledged and does not come back`));
  expect(found).toContainEqual(expect.stringContaining('verify: '));
});
