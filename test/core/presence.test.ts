/** Who is at work shows it after a minute, keeps showing it, and takes it back in the end, however it ends. */
import { hostname } from 'node:os';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { Repository } from '../../src/index.ts';
import { bytes } from '../support/data.ts';
import { makeRepository, rejection, SMALL } from '../support/repositories.ts';
import { type Gate, gate, TappedBackend } from '../support/tapped.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** A repository where an ingest waits, and gates that open as entries are written. */
async function atWork(): Promise<{
  backend: TappedBackend;
  repository: Repository;
  ingest: Promise<unknown>;
  letGo: () => void;
  controller: AbortController;
  written: () => Promise<void>;
}> {
  const backend = new TappedBackend(new MemoryBackend());
  const repository = await makeRepository(backend);
  let entry: Gate = gate();
  backend.tap = async ({ verb, key }, next) => {
    const got = await next();
    if (verb === 'put' && key.startsWith('locks/')) entry.open();
    return got;
  };
  const begun = gate();
  const go = gate();
  async function* slow(): AsyncGenerator<Uint8Array, void, undefined> {
    begun.open();
    await go.opened;
    yield bytes(1, 1_000);
  }
  const controller = new AbortController();
  const ingest = repository.ingest(slow(), { signal: controller.signal });
  await begun.opened;
  const written = async (): Promise<void> => {
    await entry.opened;
    entry = gate();
  };
  return { backend, repository, ingest, letGo: () => go.open(), controller, written };
}

test('nothing shows within the first minute', async () => {
  const { backend, repository, ingest, letGo } = await atWork();
  vi.advanceTimersByTime(59_999);
  expect(await repository.status()).toEqual([]);
  letGo();
  await ingest;
  expect(backend.calls.filter(({ key }) => key.startsWith('locks/') && key.length > 6)).toEqual([]);
});

test('after a minute others see who is at work, it is refreshed, and the end takes it back', async () => {
  const { backend, repository, ingest, letGo, written } = await atWork();
  vi.advanceTimersByTime(60_000);
  await written();
  const other = await Repository.open(backend, SMALL);
  const [first] = await other.status();
  expect(first).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{32}$/),
    host: hostname(),
    pid: process.pid,
    verb: 'ingest',
    since: expect.stringMatching(/^\d{4}-.*Z$/),
    refreshedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    stale: false,
  });
  vi.advanceTimersByTime(300_000);
  await written();
  const [again] = await other.status();
  expect(again).toEqual({ ...first, refreshedAt: again?.refreshedAt });
  expect((again?.refreshedAt ?? '') >= (first?.refreshedAt ?? '')).toBe(true);
  // Only what is stale goes; with force, all. Nobody is kept from working by it.
  await other.unlock();
  expect(await other.status()).toHaveLength(1);
  await other.unlock({ force: true });
  expect(await other.status()).toEqual([]);
  letGo();
  await ingest;
  expect(await repository.status()).toEqual([]);
  await other.close();
});

for (const how of ['abort', 'close'] as const) {
  test(`${how} takes the entry back, too`, async () => {
    const { backend, repository, ingest, controller, written } = await atWork();
    const failed = rejection(ingest);
    vi.advanceTimersByTime(60_000);
    await written();
    if (how === 'abort') controller.abort(new Error('enough'));
    else await repository.close();
    await failed;
    const other = await Repository.open(backend, SMALL);
    expect(await other.status()).toEqual([]);
    await other.close();
  });
}

test('an entry that can not be written does not disturb the call', async () => {
  const { backend, repository, ingest, letGo } = await atWork();
  const refused = gate();
  backend.tap = (call, next) => {
    if (!call.key.startsWith('locks/')) return next();
    refused.open();
    throw new Error('no entries here');
  };
  vi.advanceTimersByTime(60_000);
  await refused.opened;
  letGo();
  await ingest;
  backend.tap = (_call, next) => next();
  expect(await repository.listSnapshots()).toHaveLength(1);
});
