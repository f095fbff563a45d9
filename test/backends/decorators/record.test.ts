import { expect, test } from 'vitest';
import { RecordBackend } from '../../../src/backends/decorators/record.ts';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { infosOf, putAll } from '../../../src/testing/expect.ts';

test('requests are logged in order, with their bytes and outcomes', async () => {
  const store = new RecordBackend(new MemoryBackend());
  await store.put('a', new Uint8Array(100), { mode: 'create' });
  await store.put('a', new Uint8Array(70), { mode: 'create' }).catch(() => undefined);
  await store.get('a', { offset: 90, length: 10 });
  await store.stat('b').catch(() => undefined);
  await store.get('a', { signal: AbortSignal.abort() }).catch(() => undefined);
  await store.delete(['a', 'b']);
  expect(store.log).toEqual([
    { verb: 'put', key: 'a', bytes: 100, objects: 1, outcome: 'ok' },
    { verb: 'put', key: 'a', bytes: 70, objects: 1, outcome: 'ALREADY_EXISTS' },
    { verb: 'get', key: 'a', bytes: 10, objects: 1, outcome: 'ok' },
    { verb: 'stat', key: 'b', bytes: 0, objects: 1, outcome: 'NOT_FOUND' },
    { verb: 'get', key: 'a', bytes: 0, objects: 1, outcome: 'failed' },
    { verb: 'delete', key: 'a', bytes: 0, objects: 2, outcome: 'ok' },
  ]);
  expect(store.totals()).toEqual({
    put: { requests: 2, bytes: 170, failed: 1 },
    get: { requests: 2, bytes: 10, failed: 1 },
    stat: { requests: 1, bytes: 0, failed: 1 },
    list: { requests: 0, bytes: 0, failed: 0 },
    delete: { requests: 1, bytes: 0, failed: 0 },
  });
});

test('each page of a listing is a request', async () => {
  const inner = new MemoryBackend();
  await putAll(inner, ['a', 'b', 'c', 'd', 'e']);
  const pages = async (pageSize: number, most = Number.POSITIVE_INFINITY): Promise<number[]> => {
    const store = new RecordBackend(inner, { pageSize });
    let seen = 0;
    for await (const _ of store.list('')) {
      seen += 1;
      if (seen === most) break;
    }
    expect(store.log.every(({ verb, outcome }) => verb === 'list' && outcome === 'ok')).toBe(true);
    return store.log.map(({ objects }) => objects);
  };
  expect(await pages(2)).toEqual([2, 2, 1]);
  expect(await pages(5)).toEqual([5]);
  expect(await pages(1_000)).toEqual([5]);
  expect(await pages(2, 3)).toEqual([2, 1]);
});

test('an empty or failed listing is a request', async () => {
  const store = new RecordBackend(new MemoryBackend());
  await infosOf(store.list('a'));
  await infosOf(store.list('A')).catch(() => undefined);
  expect(store.log.map(({ outcome }) => outcome)).toEqual(['ok', 'INVALID_ARGUMENT']);
});

test('a request is counted when it begins', async () => {
  const store = new RecordBackend(new MemoryBackend());
  const put = store.put('a', new Uint8Array(5), { mode: 'create' });
  expect(store.log).toEqual([{ verb: 'put', key: 'a', bytes: 5, objects: 1, outcome: 'pending' }]);
  await put;
  expect(store.log[0]?.outcome).toBe('ok');
});

test('reset forgets', async () => {
  const store = new RecordBackend(new MemoryBackend());
  await store.put('a', new Uint8Array(5), { mode: 'create' });
  store.reset();
  expect([store.log, store.totals().put]).toEqual([[], { requests: 0, bytes: 0, failed: 0 }]);
  await store.get('a');
  expect(store.totals().get).toEqual({ requests: 1, bytes: 5, failed: 0 });
});
