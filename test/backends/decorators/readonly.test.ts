import { expect, test } from 'vitest';
import { ReadonlyBackend } from '../../../src/backends/decorators/readonly.ts';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { keysOf } from '../../../src/testing/expect.ts';

test('a readonly store reads, and refuses to put and to delete', async () => {
  const inner = new MemoryBackend({ location: 'memory:x' });
  await inner.put('a', new Uint8Array([1, 2, 3]), { mode: 'create' });
  const store = new ReadonlyBackend(inner);
  const denied = { code: 'PERMISSION_DENIED', retry: 'never', context: { key: 'a', location: 'memory:x' } };
  await expect(store.put('a', new Uint8Array(1), { mode: 'overwrite' })).rejects.toMatchObject(denied);
  await expect(store.delete(['a'])).rejects.toMatchObject(denied);
  expect(await store.get('a', { offset: 1 })).toEqual(new Uint8Array([2, 3]));
  expect((await store.stat('a')).size).toBe(3);
  expect(await keysOf(store.list(''))).toEqual(['a']);
  expect([store.location, store.capabilities]).toEqual([inner.location, inner.capabilities]);
});

test('a readonly store still says what no store could do', async () => {
  const store = new ReadonlyBackend(new MemoryBackend({ maxDeleteBatch: 2 }));
  await expect(store.put('A', new Uint8Array(1), { mode: 'create' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  await expect(store.delete(['a', 'b', 'c'])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  await expect(store.delete([])).resolves.toBeUndefined();
  const reason = new Error('enough');
  await expect(store.delete(['a'], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
