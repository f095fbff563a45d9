import { expect, test } from 'vitest';
import { ThrottleBackend, type ThrottleOptions } from '../../../src/backends/decorators/throttle.ts';
import { MemoryBackend } from '../../../src/backends/memory.ts';

/** A clock that only moves when somebody sleeps. */
function clock(): { now: () => number; sleep: (ms: number) => Promise<void>; slept: number[] } {
  let time = 1_000_000;
  const slept: number[] = [];
  const sleep = async (ms: number): Promise<void> => {
    slept.push(ms);
    time += ms;
  };
  return { now: () => time, sleep, slept };
}

function throttled(options: ThrottleOptions): { store: ThrottleBackend; slept: number[]; now: () => number } {
  const { now, sleep, slept } = clock();
  return { store: new ThrottleBackend(new MemoryBackend(), { ...options, now, sleep }), slept, now };
}

test('puts go at the speed of the line, after one saved second', async () => {
  const { store, slept, now } = throttled({ uploadBytesPerSecond: 1_000 });
  const begin = now();
  for (const key of ['a', 'b', 'c', 'd']) await store.put(key, new Uint8Array(2_000), { mode: 'create' });
  // The first 2,000 bytes use up the saved second and a second of the future, and so on: 1, 2 and 2 seconds.
  expect(slept).toEqual([1_000, 2_000, 2_000]);
  expect(now() - begin).toBe(5_000);
});

test('gets hand over their bytes when these are through', async () => {
  const { store, slept } = throttled({ downloadBytesPerSecond: 500 });
  await store.put('a', new Uint8Array(1_500), { mode: 'create' });
  expect((await store.get('a')).byteLength).toBe(1_500);
  await store.get('a', { length: 250 });
  expect(slept).toEqual([2_000, 500]);
});

test('one direction does not slow the other, nor what has no body', async () => {
  const { store, slept } = throttled({ uploadBytesPerSecond: 1 });
  await store.put('a', new Uint8Array(1_000_000), { mode: 'create' });
  await store.get('a');
  await store.stat('a');
  await store.delete(['a']);
  expect(slept).toEqual([]);
});

test('idle time is good for a second and no more', async () => {
  const { store, slept } = throttled({ uploadBytesPerSecond: 1_000 });
  await store.put('a', new Uint8Array(1_000), { mode: 'create' });
  await store.put('b', new Uint8Array(0), { mode: 'create' });
  expect(slept).toEqual([]);
  await store.put('c', new Uint8Array(3_000), { mode: 'create' });
  await store.put('d', new Uint8Array(1), { mode: 'create' });
  expect(slept).toEqual([3_000]);
});

test('a put that is aborted while it waits leaves its stretch to the next, and stores nothing', async () => {
  const { now, slept, sleep } = clock();
  const reason = new Error('enough');
  const store = new ThrottleBackend(new MemoryBackend(), {
    uploadBytesPerSecond: 1_000,
    now,
    sleep: async (ms, signal) => (signal === undefined ? sleep(ms) : Promise.reject(reason)),
  });
  await store.put('a', new Uint8Array(2_000), { mode: 'create' });
  const { signal } = new AbortController();
  await expect(store.put('b', new Uint8Array(9_000), { mode: 'create', signal })).rejects.toBe(reason);
  await store.put('c', new Uint8Array(1), { mode: 'create' });
  expect(slept).toEqual([1_000]);
  await expect(store.stat('b')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('waiting ends with the reason of the signal', async () => {
  const store = new ThrottleBackend(new MemoryBackend(), { uploadBytesPerSecond: 1 });
  await store.put('a', new Uint8Array(1_000_000), { mode: 'create' });
  const controller = new AbortController();
  const waiting = store.put('b', new Uint8Array(1), { mode: 'create', signal: controller.signal });
  controller.abort('enough');
  await expect(waiting).rejects.toBe('enough');
});

test('a limit is a number above 0', () => {
  for (const uploadBytesPerSecond of [0, -1, Number.NaN]) {
    expect(() => new ThrottleBackend(new MemoryBackend(), { uploadBytesPerSecond })).toThrow(/more than 0/);
  }
});
