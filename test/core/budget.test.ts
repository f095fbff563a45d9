/** Who gets how much memory, and who waits for whom. */
import { expect, test } from 'vitest';
import { BlockPool, Budget, type Lease, type Purpose } from '../../src/core/memory.ts';
import { Slots } from '../../src/core/slots.ts';
import { refusal, rejection } from '../support/repositories.ts';

const MIB = 1 << 20;

/** What is admitted at once of these, in MiB; `undefined` for what waits. */
async function admitted(budget: Budget, purposes: readonly Purpose[]): Promise<(number | undefined)[]> {
  const given: (number | undefined)[] = purposes.map(() => undefined);
  purposes.forEach((purpose, at) => void enter(budget, purpose).then(({ bytes }) => (given[at] = bytes / MIB)));
  // Whoever need not wait is in after a few turns of promises.
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  return given;
}

function enter(budget: Budget, purpose: Purpose, signal = new AbortController().signal): Promise<Lease> {
  return budget.enter(purpose, signal);
}

test('two writes run at once and leave something for a reader', async () => {
  const budget = new Budget(256 * MIB);
  const purposes: Purpose[] = ['write', 'write', 'write', 'restore', 'restore', 'small'];
  expect(await admitted(budget, purposes)).toEqual([112, 112, undefined, 10, 4, 1]);
});

test('however many readers stall, a write can run', async () => {
  const budget = new Budget(256 * MIB);
  const readers = Array.from({ length: 7 }, () => 'restore' as const);
  expect(await admitted(budget, readers)).toEqual([80, 30, 11.25, 4.218_75, undefined, undefined, undefined]);
  expect(await admitted(budget, ['write', 'small'])).toEqual([112, 1]);
});

test('all that is admitted together is never more than the limit', async () => {
  for (const limit of [16 * MIB, 17 * MIB + 1, 64 * MIB - 1, 256 * MIB, 3_000 * MIB + 7]) {
    const budget = new Budget(limit);
    budget.expect({ restore: 3.2 * MIB, verify: 1.1 * MIB, write: 6 * MIB });
    const purposes = Array.from(
      { length: 120 },
      (_, at) => (['write', 'restore', 'verify', 'small'] as const)[at % 4] ?? 'small',
    );
    const given = await admitted(budget, purposes);
    const sum = given.reduce<number>((all, bytes) => all + (bytes ?? 0), 0) * MIB;
    expect(sum).toBeLessThanOrEqual(limit);
    for (const [kind, at] of Object.entries({ write: 0, restore: 1, small: 3 })) {
      const one = given.some((bytes, index) => index % 4 === at && bytes !== undefined);
      expect(one, `${kind} of ${limit}`).toBe(true);
    }
  }
});

test('memory that is given back goes to whoever waited longest and fits', async () => {
  const budget = new Budget(256 * MIB);
  const [one, two] = [await enter(budget, 'write'), await enter(budget, 'write')];
  const order: string[] = [];
  const waiting = ['third', 'fourth'].map(async (name) => {
    const lease = await enter(budget, 'write');
    order.push(name);
    return lease;
  });
  one.leave();
  const third = await waiting[0];
  two.leave();
  await waiting[1];
  expect(order).toEqual(['third', 'fourth']);
  third?.leave();
  expect((await enter(budget, 'write')).bytes).toBe(112 * MIB);
});

test('who is called off while waiting leaves the queue, with the reason', async () => {
  const budget = new Budget(256 * MIB);
  const [one] = [await enter(budget, 'write'), await enter(budget, 'write')];
  const controller = new AbortController();
  const called = rejection(enter(budget, 'write', controller.signal));
  const next = enter(budget, 'write');
  const reason = new Error('not any more');
  controller.abort(reason);
  expect(await called).toBe(reason);
  one.leave();
  expect((await next).bytes).toBe(112 * MIB);
  expect(await rejection(enter(budget, 'small', AbortSignal.abort(reason)))).toBe(reason);
});

test('what can never fit is refused, with the limit that it takes', async () => {
  const budget = new Budget(16 * MIB);
  budget.expect({ restore: 8 * MIB, verify: 9 * MIB, write: 70 * MIB });
  expect((await enter(budget, 'restore')).bytes).toBe(8 * MIB);
  const write = await refusal(enter(budget, 'write'), 'INVALID_ARGUMENT');
  expect(write.message).toContain(`must be ${160 * MIB} or more`);
  const verify = await refusal(enter(budget, 'verify'), 'INVALID_ARGUMENT');
  expect(verify.message).toContain(`must be ${18 * MIB} or more`);
  expect((await enter(budget, 'small')).bytes).toBe(MIB / 16);
});

test('the pool gives a block of the size asked for, and keeps 64 MiB at most', () => {
  const pool = new BlockPool();
  const block = pool.take(100);
  expect(block).toHaveLength(100);
  pool.give(block);
  expect(pool.take(99) === block).toBe(false);
  expect(pool.take(100) === block).toBe(true);
  const large = [new Uint8Array(40 * MIB), new Uint8Array(40 * MIB)] as const;
  for (const each of large) pool.give(each);
  expect(pool.take(40 * MIB) === large[0]).toBe(true);
  expect(pool.take(40 * MIB) === large[1]).toBe(false);
  pool.give(block);
  pool.clear();
  expect(pool.take(100) === block).toBe(false);
});

test('slots are handed on in turn, never more at once than there are', async () => {
  const slots = new Slots(2);
  let inside = 0;
  let most = 0;
  const order: number[] = [];
  const work = async (number: number): Promise<void> => {
    await slots.enter(new AbortController().signal);
    inside += 1;
    most = Math.max(most, inside);
    order.push(number);
    await Promise.resolve();
    inside -= 1;
    slots.leave();
  };
  await Promise.all(Array.from({ length: 20 }, (_, number) => work(number)));
  expect(most).toBe(2);
  expect(order).toEqual(Array.from({ length: 20 }, (_, number) => number));
});

test('who is called off while waiting for a slot takes none', async () => {
  const slots = new Slots(1);
  await slots.enter(new AbortController().signal);
  const controller = new AbortController();
  const called = rejection(slots.enter(controller.signal));
  const next = slots.enter(new AbortController().signal);
  const reason = new Error('not any more');
  controller.abort(reason);
  expect(await called).toBe(reason);
  slots.leave();
  await next;
  slots.leave();
  expect(await rejection(slots.enter(AbortSignal.abort(reason)))).toBe(reason);
  await slots.enter(new AbortController().signal);
});
