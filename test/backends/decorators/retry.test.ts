import { expect, test } from 'vitest';
import { FaultBackend } from '../../../src/backends/decorators/fault.ts';
import type { FaultRule } from '../../../src/backends/decorators/fault-schedule.ts';
import { RecordBackend } from '../../../src/backends/decorators/record.ts';
import { RetryBackend, type RetryEvent, type RetryOptions } from '../../../src/backends/decorators/retry.ts';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { PackvaultError } from '../../../src/core/errors.ts';
import { bytesOf, keysOf, putAll } from '../../../src/testing/expect.ts';

/** A store in trouble behind a retry that never really waits. */
function setUp(rules: readonly FaultRule[], options: RetryOptions = {}) {
  const memory = new MemoryBackend();
  const fault = new FaultBackend(memory, { rules });
  const record = new RecordBackend(fault);
  const slept: number[] = [];
  const events: RetryEvent[] = [];
  const store = new RetryBackend(record, {
    sleep: async (ms) => {
      slept.push(ms);
    },
    random: () => 0.5,
    onRetry: (event) => events.push(event),
    ...options,
  });
  return { memory, fault, record, store, slept, events };
}

const BODY = bytesOf(1, 100);

test('a call that failed safely is repeated, and each failure is told', async () => {
  const { store, memory, events, slept } = setUp([
    { fault: 'UNAVAILABLE', verb: 'put', nth: 1 },
    { fault: 'RATE_LIMITED', verb: 'put', nth: 2 },
  ]);
  await store.put('a', BODY, { mode: 'create' });
  expect(await memory.get('a')).toEqual(BODY);
  expect(events.map(({ key, attempt, error }) => [key, attempt, error.code])).toEqual([
    ['a', 1, 'UNAVAILABLE'],
    ['a', 2, 'RATE_LIMITED'],
  ]);
  expect(slept).toEqual([125, 250]);
});

test('every verb is repeated', async () => {
  const verbs = ['put', 'get', 'stat', 'list', 'delete'] as const;
  const { store, events } = setUp(verbs.map((verb) => ({ fault: 'UNAVAILABLE', verb, nth: 1 })));
  await store.put('a', BODY, { mode: 'overwrite' });
  expect(await store.get('a')).toEqual(BODY);
  expect((await store.stat('a')).size).toBe(100);
  expect(await keysOf(store.list('a'))).toEqual(['a']);
  await store.delete(['a', 'b']);
  expect(await keysOf(store.list(''))).toEqual([]);
  expect(events.map(({ key }) => key)).toEqual(['a', 'a', 'a', 'a', 'a']);
});

test.each(['never', 'exhausted'] as const)('an error classed %s is not repeated', async (retry) => {
  const { store, record, events } = setUp([{ fault: 'UNAVAILABLE', retry }]);
  await expect(store.get('a')).rejects.toMatchObject({ code: 'UNAVAILABLE', retry });
  expect([record.log.length, events]).toEqual([1, []]);
});

test('what is no PackvaultError is not repeated', async () => {
  const inner = Object.assign(new MemoryBackend(), { get: async () => Promise.reject(new TypeError('a bug')) });
  await expect(new RetryBackend(inner).get('a')).rejects.toThrow('a bug');
});

test('after the last attempt the error is exhausted, and has the last one as its cause', async () => {
  const { store, record, events } = setUp([{ fault: 'UNAVAILABLE', verb: 'get' }], { attempts: 4 });
  const error = await store.get('a').catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'UNAVAILABLE', retry: 'exhausted', context: { key: 'a', attempts: 4 } });
  expect((error as PackvaultError).cause).toMatchObject({ code: 'UNAVAILABLE', retry: 'safe' });
  expect([record.log.length, events.length]).toEqual([4, 3]);
});

test('a second retry around the first leaves its errors alone', async () => {
  const { store, record } = setUp([{ fault: 'UNAVAILABLE', verb: 'get' }], { attempts: 2 });
  await expect(new RetryBackend(store).get('a')).rejects.toMatchObject({ retry: 'exhausted' });
  expect(record.log.length).toBe(2);
});

test('waits double up to the cap, and are a random part of that', async () => {
  const randoms = [0, 0.5, 1 - Number.EPSILON, 0.25, 0.5];
  const { store, slept } = setUp([{ fault: 'UNAVAILABLE', verb: 'get' }], {
    attempts: 6,
    baseMs: 100,
    capMs: 1_000,
    random: () => randoms.shift() ?? 0,
  });
  await expect(store.get('a')).rejects.toMatchObject({ retry: 'exhausted' });
  expect(slept.map(Math.round)).toEqual([0, 100, 400, 200, 500]);
});

test('a pause that the store asks for is kept', async () => {
  const { store, slept, events } = setUp([{ fault: 'RATE_LIMITED', verb: 'get', nth: 1, retryAfterMs: 7_000 }]);
  await expect(store.get('a')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(slept).toEqual([7_000]);
  expect(events[0]?.error.context).toEqual({ key: 'a', retryAfterMs: 7_000 });
});

test('a store that asks for too long a pause is given up at once', async () => {
  const { store, slept, record } = setUp([{ fault: 'RATE_LIMITED', verb: 'get', retryAfterMs: 3_600_000 }]);
  await expect(store.get('a')).rejects.toMatchObject({ code: 'RATE_LIMITED', retry: 'exhausted' });
  expect([slept, record.log.length]).toEqual([[], 1]);
});

test('an abort ends the waiting at once, with its reason', async () => {
  const controller = new AbortController();
  const inner = new FaultBackend(new MemoryBackend(), { rules: [{ fault: 'UNAVAILABLE' }] });
  const store = new RetryBackend(inner, {
    baseMs: 1e9,
    capMs: 1e9,
    longestPauseMs: 1e9,
    random: () => 0.9,
    onRetry: () => controller.abort('enough'),
  });
  await expect(store.get('a', { signal: controller.signal })).rejects.toBe('enough');
  expect(inner.log.length).toBe(1);
});

test('a create whose answer was lost succeeds, since its own bytes are there', async () => {
  const { store, record, events, fault } = setUp([{ fault: 'lost-answer', verb: 'put', nth: 1 }]);
  await store.put('a', BODY, { mode: 'create' });
  expect(record.log.map(({ verb, outcome }) => [verb, outcome])).toEqual([
    ['put', 'UNAVAILABLE'],
    ['put', 'ALREADY_EXISTS'],
    ['get', 'ok'],
  ]);
  expect([events.length, fault.log.length]).toEqual([1, 1]);
});

test.each([
  ['of the same size', bytesOf(2, 100)],
  ['longer', bytesOf(1, 101)],
  ['shorter', bytesOf(1, 99)],
  ['empty', new Uint8Array(0)],
])('a repeated create that meets another object (%s) is ALREADY_EXISTS', async (_, other) => {
  const { store, memory } = setUp([{ fault: 'UNAVAILABLE', verb: 'put', nth: 1 }]);
  await memory.put('a', other, { mode: 'create' });
  await expect(store.put('a', BODY, { mode: 'create' })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  expect(await memory.get('a')).toEqual(other);
});

test('a first create that meets its own bytes is ALREADY_EXISTS, and nothing is read', async () => {
  const { store, memory, record } = setUp([]);
  await memory.put('a', BODY, { mode: 'create' });
  await expect(store.put('a', BODY, { mode: 'create' })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  expect(record.totals().get.requests).toBe(0);
});

test('reading back is repeated too, and when it fails the create has an unknown end, not a false one', async () => {
  const lost: FaultRule = { fault: 'lost-answer', verb: 'put', nth: 1 };
  const patient = setUp([lost, { fault: 'UNAVAILABLE', verb: 'get', nth: 1 }]);
  await patient.store.put('a', BODY, { mode: 'create' });
  const hopeless = setUp([lost, { fault: 'UNAVAILABLE', verb: 'get' }], { attempts: 3 });
  await expect(hopeless.store.put('a', BODY, { mode: 'create' })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    retry: 'exhausted',
  });
});

test('a listing goes on behind its last object, and each step forward gives new attempts', async () => {
  const memory = new MemoryBackend();
  const keys = Array.from({ length: 10 }, (_, index) => `a${index}`);
  await putAll(memory, keys);
  const after: (string | undefined)[] = [];
  const inner = Object.assign(memory.share(), {
    async *list(prefix: string, options?: { startAfter?: string | undefined }) {
      after.push(options?.startAfter);
      let given = 0;
      for await (const info of memory.list(prefix, options)) {
        if (given === 4) throw new PackvaultError({ code: 'UNAVAILABLE', message: 'cut' });
        given += 1;
        yield info;
      }
    },
  });
  const store = new RetryBackend(inner, { attempts: 2, sleep: async () => undefined });
  expect(await keysOf(store.list('a'))).toEqual(keys);
  expect(after).toEqual([undefined, 'a3', 'a7']);
});

test('a listing that gets nowhere is exhausted', async () => {
  const { store, record } = setUp([{ fault: 'UNAVAILABLE', verb: 'list' }], { attempts: 3 });
  await expect(keysOf(store.list(''))).rejects.toMatchObject({ retry: 'exhausted' });
  expect(record.log.length).toBe(3);
});
