import { expect, test } from 'vitest';
import { FaultBackend, type FaultOptions } from '../../../src/backends/decorators/fault.ts';
import { ALL_FAULTS, isErrorCode } from '../../../src/backends/decorators/fault-schedule.ts';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import type { StorageBackend } from '../../../src/core/backend.ts';
import { bytesOf, callVerb, keysOf, putAll, turnsOfEventLoop } from '../../../src/testing/expect.ts';

const BODY = bytesOf(1, 1_000);

function setUp(options: FaultOptions): { memory: MemoryBackend; store: FaultBackend } {
  const memory = new MemoryBackend();
  return { memory, store: new FaultBackend(memory, options) };
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'ok',
    (error: { code: string }) => error.code,
  );
}

/** The same calls each time, of every verb; what came of them. */
async function history(store: StorageBackend): Promise<unknown[]> {
  const seen: unknown[] = [];
  for (let round = 0; round < 30; round += 1) {
    for (const verb of ['put', 'get', 'stat', 'list', 'delete'] as const) {
      seen.push(await callVerb(store, verb, `k${round % 7}`).catch((error: { code: string }) => error.code));
    }
  }
  return seen.map((value) => (Array.isArray(value) ? value.map(({ key }: { key: string }) => key) : shown(value)));
}

function shown(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'modifiedAt' in value ? { ...value, modifiedAt: 0 } : value;
}

const RATES = Object.fromEntries(ALL_FAULTS.filter((fault) => fault !== 'stall').map((fault) => [fault, 0.03]));

test('the same seed and calls give the same faults, another seed gives others', async () => {
  const runs = [7, 7, 8].map((seed) => setUp({ seed, rates: RATES }).store);
  const [one, two, other] = await Promise.all(runs.map(history));
  expect(two).toEqual(one);
  expect(other).not.toEqual(one);
  expect(runs[1]?.explain()).toBe(runs[0]?.explain());
  expect(runs[0]?.log.length).toBeGreaterThan(10);
});

async function outcomesOf(order: readonly string[]): Promise<Map<string, unknown>> {
  const { store } = setUp({ seed: 3, rates: { UNAVAILABLE: 0.3, 'lost-answer': 0.3 } });
  const found = new Map<string, unknown>();
  for (const key of order) found.set(key, await codeOf(store.put(key, BODY, { mode: 'create' })));
  return found;
}

test('the order in which calls of different keys come changes no fault', async () => {
  const keys = Array.from({ length: 40 }, (_, index) => `k${index}`);
  const forwards = await outcomesOf(keys);
  expect(await outcomesOf(keys.toReversed())).toEqual(forwards);
  expect(new Set(forwards.values())).toEqual(new Set(['ok', 'UNAVAILABLE']));
});

test.each(ALL_FAULTS.filter(isErrorCode))('%s is the answer, and nothing happens', async (fault) => {
  const { store, memory } = setUp({ rules: [{ fault, key: 'a' }] });
  await memory.put('a', BODY, { mode: 'create' });
  const verb = ['ALREADY_EXISTS', 'OUT_OF_SPACE'].includes(fault) ? 'put' : 'get';
  const retry = ['UNAVAILABLE', 'RATE_LIMITED'].includes(fault) ? 'safe' : 'never';
  const call = verb === 'get' ? store.get('a') : store.put('a', bytesOf(2, 10), { mode: 'overwrite' });
  await expect(call).rejects.toMatchObject({ code: fault, retry, context: { key: 'a' } });
  expect(await memory.get('a')).toEqual(BODY);
  expect(store.log).toEqual([{ operation: 1, verb, key: 'a', fault, what: `answered ${fault}, and did nothing` }]);
});

test('a rule can set retry class and pause', async () => {
  const { store } = setUp({ rules: [{ fault: 'RATE_LIMITED', retry: 'never', retryAfterMs: 5 }] });
  await expect(store.get('a')).rejects.toMatchObject({ retry: 'never', context: { retryAfterMs: 5 } });
});

test('a lost answer: the operation took effect', async () => {
  const { store, memory } = setUp({ rules: [{ fault: 'lost-answer' }] });
  await expect(store.put('a', BODY, { mode: 'create' })).rejects.toMatchObject({ code: 'UNAVAILABLE', retry: 'safe' });
  expect(await memory.get('a')).toEqual(BODY);
  expect(await codeOf(store.put('a', BODY, { mode: 'create' }))).toBe('UNAVAILABLE');
  expect(await codeOf(store.delete(['a']))).toBe('UNAVAILABLE');
  expect(await keysOf(memory.list(''))).toEqual([]);
  expect(store.log.map(({ what }) => what)).toEqual([
    'was done, and its answer (success) was lost',
    'was done, and its answer (ALREADY_EXISTS) was lost',
    'was done, and its answer (success) was lost',
  ]);
});

test('a stalled call ends with the reason of its signal, without one when the store is disposed', async () => {
  const { store, memory } = setUp({ rules: [{ fault: 'stall' }] });
  const controller = new AbortController();
  let settled = 0;
  const calls = [
    store.put('a', BODY, { mode: 'create', signal: controller.signal }),
    store.get('a', { signal: controller.signal }),
    keysOf(store.list('', { signal: controller.signal })),
    store.delete(['a']),
  ];
  for (const call of calls)
    call
      .catch(() => undefined)
      .finally(() => (settled += 1))
      .catch(() => undefined);
  await turnsOfEventLoop(5);
  expect(settled).toBe(0);
  controller.abort('enough');
  for (const call of calls.slice(0, 3)) await expect(call).rejects.toBe('enough');
  expect(settled).toBe(3);
  await store[Symbol.asyncDispose]();
  await expect(calls[3]).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(await keysOf(memory.list(''))).toEqual([]);
});

test('a truncated body has the first bytes only, of a get or of what a put stores', async () => {
  const { store, memory } = setUp({ rules: [{ fault: 'truncate', nth: 1 }] });
  await memory.put('a', BODY, { mode: 'create' });
  const bytes = await store.get('a');
  expect(bytes.byteLength).toBeLessThan(1_000);
  expect(bytes).toEqual(BODY.subarray(0, bytes.byteLength));
  expect(store.log[0]?.what).toBe(`gave the first ${bytes.byteLength} of 1000 bytes`);
  store.inject({ fault: 'truncate', verb: 'put' });
  await store.put('b', BODY, { mode: 'create', sha256: new Uint8Array(32) });
  const stored = await memory.get('b');
  expect(stored.byteLength).toBeLessThan(1_000);
  expect(store.log[1]?.what).toBe(`stored the first ${stored.byteLength} of 1000 bytes`);
});

test('a flipped body differs in one bit, and neither the store’s nor the caller’s bytes change', async () => {
  const { store, memory } = setUp({ seed: 5, rules: [{ fault: 'flip' }] });
  await memory.put('a', BODY, { mode: 'create' });
  expect(bitsThatDiffer(await store.get('a'), BODY)).toBe(1);
  expect(await memory.get('a')).toEqual(BODY);
  await store.put('b', BODY, { mode: 'create' });
  expect(BODY).toEqual(bytesOf(1, 1_000));
  expect(bitsThatDiffer(await memory.get('b'), BODY)).toBe(1);
  await memory.put('empty', new Uint8Array(0), { mode: 'create' });
  expect(await store.get('empty')).toEqual(new Uint8Array(0));
  expect(store.log.map(({ key }) => key)).toEqual(['a', 'b']);
});

function bitsThatDiffer(left: Uint8Array, right: Uint8Array): number {
  expect(left.byteLength).toBe(right.byteLength);
  return left.reduce((sum, byte, at) => sum + ((byte ^ (right[at] ?? 0)).toString(2).split('1').length - 1), 0);
}

test('a stale listing shows how it was before the last changes', async () => {
  const { store, memory } = setUp({ rules: [{ fault: 'stale-list', nth: 1 }], staleness: 3 });
  await putAll(memory, ['a', 'b', 'c']);
  await store.put('forgotten', BODY, { mode: 'create' });
  await store.put('new', BODY, { mode: 'create' });
  await store.delete(['b']);
  await store.put('c', BODY, { mode: 'overwrite' });
  const stale = [];
  for await (const { key, size } of store.list('')) stale.push([key, size]);
  expect(stale).toEqual([
    ['a', 16],
    ['b', 16],
    ['c', 16],
    ['forgotten', 1_000],
  ]);
  expect(await keysOf(store.list(''))).toEqual(['a', 'c', 'forgotten', 'new']);
  expect(store.log.map(({ what }) => what)).toEqual(['left out the last changes, and listed 4 objects']);
});

test('a stale listing keeps to prefix and startAfter', async () => {
  const { store, memory } = setUp({ rules: [{ fault: 'stale-list' }] });
  await putAll(memory, ['a/1', 'a/2', 'b/1']);
  await store.delete(['a/1', 'a/2', 'b/1']);
  expect(await keysOf(store.list('a/', { startAfter: 'a/1' }))).toEqual(['a/2']);
});

test('a duplicated page comes twice', async () => {
  const { store, memory } = setUp({ seed: 2, rules: [{ fault: 'duplicate-page' }] });
  await putAll(memory, ['a', 'b', 'c', 'd', 'e']);
  const keys = await keysOf(store.list(''));
  const again = keys.slice(5);
  expect(keys.slice(0, 5)).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(again.length).toBeGreaterThan(0);
  expect(again).toEqual(['a', 'b', 'c', 'd', 'e'].slice(-again.length));
});

test('a delayed delete takes effect some operations later, but not on what was put since', async () => {
  const { store, memory } = setUp({ rules: [{ fault: 'delayed-delete' }], delay: 3 });
  await putAll(memory, ['a', 'b', 'c']);
  await store.delete(['a', 'b']);
  expect(await keysOf(store.list(''))).toEqual(['a', 'b', 'c']);
  await store.put('b', BODY, { mode: 'overwrite' });
  expect(await keysOf(store.list(''))).toEqual(['b', 'c']);
  expect(await memory.get('b')).toEqual(BODY);
});

test.each(['heal', 'dispose'] as const)('%s ends what is delayed', async (how) => {
  const { store, memory } = setUp({ rules: [{ fault: 'delayed-delete' }, { fault: 'UNAVAILABLE', verb: 'get' }] });
  await putAll(memory, ['a', 'b']);
  await store.delete(['a']);
  if (how === 'heal') await store.heal();
  else await store[Symbol.asyncDispose]();
  expect(await keysOf(memory.list(''))).toEqual(['b']);
  expect(await codeOf(store.get('b'))).toBe(how === 'heal' ? 'ok' : 'UNAVAILABLE');
});

test('a disk that the third put finds full stays full', async () => {
  const { store, memory } = setUp({ rules: [{ fault: 'OUT_OF_SPACE', verb: 'put', from: 3 }] });
  const codes = [];
  for (const key of ['a', 'b', 'c', 'd']) {
    codes.push(await codeOf(store.put(key, BODY, { mode: 'create' })), await codeOf(store.get(key)));
  }
  expect(codes).toEqual(['ok', 'ok', 'ok', 'ok', 'OUT_OF_SPACE', 'NOT_FOUND', 'OUT_OF_SPACE', 'NOT_FOUND']);
  expect(await keysOf(memory.list(''))).toEqual(['a', 'b']);
});

test('a permission that is lost with the third operation is lost for all', async () => {
  const { store } = setUp({ rules: [{ fault: 'PERMISSION_DENIED', from: 3 }] });
  await store.put('a', BODY, { mode: 'create' });
  await store.get('a');
  for (const verb of ['put', 'get', 'stat', 'list', 'delete'] as const) {
    expect(await codeOf(callVerb(store, verb, 'a'))).toBe('PERMISSION_DENIED');
  }
});

test('rules choose by verb, by the beginning of a key or a pattern, and by number', async () => {
  const { store } = setUp({
    rules: [
      { fault: 'UNAVAILABLE', verb: 'get', key: 'packs/', nth: 2 },
      { fault: 'RATE_LIMITED', key: /\.idx$/g },
      { fault: 'UNSUPPORTED', verb: 'delete', key: 'x' },
    ],
  });
  expect(await codeOf(store.get('packs/a'))).toBe('NOT_FOUND');
  expect(await codeOf(store.stat('packs/a'))).toBe('NOT_FOUND');
  expect(await codeOf(store.get('index/a'))).toBe('NOT_FOUND');
  expect(await codeOf(store.get('packs/b'))).toBe('UNAVAILABLE');
  expect(await codeOf(store.get('packs/b'))).toBe('NOT_FOUND');
  for (let time = 0; time < 2; time += 1) expect(await codeOf(store.get('a.idx'))).toBe('RATE_LIMITED');
  expect(await codeOf(store.delete(['a', 'x']))).toBe('UNSUPPORTED');
  expect(await codeOf(store.delete(['a', 'b']))).toBe('ok');
});

test('the first rule that is due wins, and every rule counts what it matches', async () => {
  const { store } = setUp({
    rules: [
      { fault: 'UNAVAILABLE', verb: 'get', nth: 1 },
      { fault: 'RATE_LIMITED', verb: 'get', nth: 1 },
      { fault: 'PERMISSION_DENIED', verb: 'get', nth: 2 },
    ],
  });
  expect(await codeOf(store.get('a'))).toBe('UNAVAILABLE');
  expect(await codeOf(store.get('a'))).toBe('PERMISSION_DENIED');
  expect(await codeOf(store.get('a'))).toBe('NOT_FOUND');
});

test('a rule that cannot be met is INVALID_ARGUMENT', () => {
  for (const rule of [
    { fault: 'OUT_OF_SPACE', verb: 'get' },
    { fault: 'stale-list', verb: 'put' },
  ] as const) {
    expect(() => setUp({ rules: [rule] })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  }
});

test('explain names the seed and each fault', async () => {
  const { store } = setUp({ seed: 42, rules: [{ fault: 'UNAVAILABLE', verb: 'get' }] });
  await store.put('a', BODY, { mode: 'create' });
  await codeOf(store.get('a'));
  expect(store.explain()).toBe('seed 42, 2 operations, 1 faults\n#2 get a: answered UNAVAILABLE, and did nothing');
});
