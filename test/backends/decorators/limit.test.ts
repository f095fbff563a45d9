import { expect, test } from 'vitest';
import { FaultBackend } from '../../../src/backends/decorators/fault.ts';
import { LimitBackend } from '../../../src/backends/decorators/limit.ts';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import type { StorageBackend } from '../../../src/core/backend.ts';
import { keysOf, putAll, turnsOfEventLoop } from '../../../src/testing/expect.ts';

/** A store that tells how many gets are in flight; each takes a turn of the event loop. */
class CountingBackend extends MemoryBackend {
  inFlight = 0;
  most = 0;

  override async get(key: string): Promise<Uint8Array> {
    this.inFlight += 1;
    this.most = Math.max(this.most, this.inFlight);
    await turnsOfEventLoop(1);
    this.inFlight -= 1;
    return super.get(key);
  }
}

test('no more requests than the limit are in flight, and all are answered', async () => {
  const inner = new CountingBackend();
  await putAll(inner, ['a']);
  const store = new LimitBackend(inner, 3);
  const answers = await Promise.all(Array.from({ length: 20 }, async () => store.get('a')));
  expect([answers.length, inner.most]).toEqual([20, 3]);
});

test('a failed request gives its turn to the next', async () => {
  const store = new LimitBackend(new MemoryBackend(), 1);
  const outcomes = await Promise.allSettled([
    store.get('a'),
    store.get('b'),
    store.put('a', new Uint8Array(1), { mode: 'create' }),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
});

test('who reads a listing can make requests between its steps', async () => {
  const inner = new MemoryBackend();
  await putAll(inner, ['a', 'b', 'c']);
  const store = new LimitBackend(inner, 1);
  const sizes: number[] = [];
  for await (const { key } of store.list('')) sizes.push((await store.get(key)).byteLength);
  expect(sizes).toEqual([16, 16, 16]);
});

test('a listing that is left early closes the one below', async () => {
  let closed = false;
  const inner = new MemoryBackend();
  await putAll(inner, ['a', 'b', 'c']);
  const list: StorageBackend['list'] = async function* (prefix) {
    try {
      yield* inner.list(prefix);
    } finally {
      closed = true;
    }
  };
  const store = new LimitBackend(Object.assign(inner.share(), { list }), 1);
  for await (const _ of store.list('')) break;
  expect(closed).toBe(true);
  expect(await keysOf(store.list(''))).toEqual(['a', 'b', 'c']);
});

test('a call that waits is aborted at once, one in flight by the store', async () => {
  const inner = new FaultBackend(new MemoryBackend(), { rules: [{ fault: 'stall', verb: 'get', key: 'stalled' }] });
  const store = new LimitBackend(inner, 1);
  const [first, second] = [new AbortController(), new AbortController()];
  const inFlight = store.get('stalled', { signal: first.signal });
  const waiting = store.get('waiting', { signal: second.signal });
  const third = store.put('third', new Uint8Array(1), { mode: 'create' });
  await turnsOfEventLoop(2);
  second.abort('not any more');
  await expect(waiting).rejects.toBe('not any more');
  first.abort('nor this');
  await expect(inFlight).rejects.toBe('nor this');
  await third;
  expect(inner.log.map(({ key }) => key)).toEqual(['stalled']);
});
