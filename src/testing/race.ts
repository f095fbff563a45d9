/** Creates of one key that race, and what may come of it. */
import assert from 'node:assert/strict';
import type { StorageBackend } from '../core/backend.ts';
import { PackvaultError } from '../core/errors.ts';
import { areSame, assertBytes, bytesOf } from './expect.ts';

/**
 * What a racer was told. `unsure`: an error that allows another try, such as a connection reset while a large body was on its
 * way to a store that had decided already; whether its bytes were stored, only a read tells.
 */
export type Outcome = 'won' | 'lost' | 'unsure';

export interface Round {
  readonly key: string;
  /** Racer i puts `bytesOf(firstSeed + i, size)`. */
  readonly firstSeed: number;
  readonly racers: number;
  readonly size: number;
}

/** All racers at once; those with an odd number through the second instance, and so on. Rejects if a racer is told anything else. */
export async function race(stores: readonly StorageBackend[], round: Round): Promise<Outcome[]> {
  const { key, firstSeed, racers, size } = round;
  const bodies = Array.from({ length: racers }, (_, racer) => bytesOf(firstSeed + racer, size));
  return Promise.all(
    bodies.map(async (body, racer) => {
      const store = stores[racer % stores.length];
      assert.ok(store !== undefined, 'a race needs a store');
      return outcomeOf(store.put(key, body, { mode: 'create' }));
    }),
  );
}

async function outcomeOf(put: Promise<void>): Promise<Outcome> {
  try {
    await put;
    return 'won';
  } catch (error) {
    if (PackvaultError.is(error) && error.code === 'ALREADY_EXISTS') return 'lost';
    if (PackvaultError.is(error) && error.retry === 'safe') return 'unsure';
    throw error;
  }
}

/** Fails unless one racer alone won, and `stored` are its bytes. */
export function assertOneWinner({ firstSeed, size }: Round, outcomes: readonly Outcome[], stored: Uint8Array): void {
  const won = [...outcomes.keys()].filter((racer) => outcomes[racer] === 'won');
  assert.ok(won.length <= 1, `${won.length} of ${outcomes.length} creates of one key won`);
  const [winner] = won;
  if (winner !== undefined) {
    assertBytes(stored, bytesOf(firstSeed + winner, size), `the object of winner ${winner}`);
    return;
  }
  const unsure = [...outcomes.keys()].filter((racer) => outcomes[racer] === 'unsure');
  assert.ok(
    unsure.some((racer) => areSame(stored, bytesOf(firstSeed + racer, size))),
    'nobody won, and the object is of a racer who was told that it lost, or of none',
  );
}
