/** Closing: what runs is called off, what is closed stays closed, and the store is left alone. */
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import type { Repository } from '../../src/index.ts';
import { bytes, sha256 } from '../support/data.ts';
import { makeRepository, refusal, rejection, restored } from '../support/repositories.ts';
import { gate, TappedBackend } from '../support/tapped.ts';

const BODY = bytes(1, 4_000_000);

const CALLS: Readonly<Record<string, (repository: Repository) => Promise<unknown>>> = {
  ingest: (repository) => repository.ingest(BODY),
  ingestMulti: (repository) => repository.ingestMulti([{ name: 'a', stream: BODY }]),
  restore: (repository) => repository.restore('latest'),
  restoreTo: (repository) => repository.restoreTo('/no/such/folder/file', 'latest'),
  listSnapshots: (repository) => repository.listSnapshots(),
  snapshots: (repository) => repository.snapshots().next(),
  getSnapshot: (repository) => repository.getSnapshot('latest'),
  verify: (repository) => repository.verify(),
  repair: (repository) => repository.repair(),
  reindex: (repository) => repository.reindex(),
  stats: (repository) => repository.stats(),
  status: (repository) => repository.status(),
  unlock: (repository) => repository.unlock(),
  'keys.list': (repository) => repository.keys.list(),
  'keys.add': (repository) => repository.keys.add('x'),
  'keys.remove': (repository) => repository.keys.remove('x'),
};

for (const [name, call] of Object.entries(CALLS)) {
  test(`${name} after close is CLOSED, and the store is not asked`, async () => {
    const backend = new TappedBackend(new MemoryBackend());
    const repository = await makeRepository(backend);
    await repository.close();
    const asked = backend.calls.length;
    const error = await refusal(call(repository), 'CLOSED');
    expect(error.message).toBe('The repository is closed. What was stored before is not harmed. Open it again.');
    expect(backend.calls).toHaveLength(asked);
  });
}

test('close can be called again, at the same time and later', async () => {
  const repository = await makeRepository();
  const first = repository.close();
  const second = repository.close();
  await Promise.all([first, second]);
  await repository.close();
  await repository[Symbol.asyncDispose]();
});

test('close calls a running ingest off, and waits for what the store has under way', async () => {
  const inner = new MemoryBackend();
  const backend = new TappedBackend(inner);
  const repository = await makeRepository(backend);
  const before = await repository.ingest(bytes(2, 100_000));
  const reached = gate();
  const letGo = gate();
  let answered = false;
  backend.tap = async (call, next) => {
    if (call.verb !== 'put' || call.body === undefined) return next();
    reached.open();
    // A store that finishes what it has begun, as one may.
    await letGo.opened;
    await inner.put(call.key, call.body, { mode: 'overwrite' });
    answered = true;
    return undefined;
  };
  const ingest = rejection(repository.ingest(BODY));
  await reached.opened;
  const closing = repository.close();
  letGo.open();
  await closing;
  expect(answered).toBe(true);
  expect(await ingest).toMatchObject({ code: 'CLOSED' });
  const asked = backend.calls.length;
  const again = await makeOpen(inner);
  expect(await again.listSnapshots()).toEqual([before]);
  const { id } = await again.ingest(BODY);
  expect(sha256(await restored(again, id))).toBe(sha256(BODY));
  expect(backend.calls).toHaveLength(asked);
});

test('close calls off calls that wait for their turn', async () => {
  const repository = await makeRepository();
  const begun = [gate(), gate()];
  async function* hanging(at: number): AsyncGenerator<Uint8Array, void, undefined> {
    begun[at]?.open();
    yield await new Promise<never>(() => undefined);
  }
  let touched = false;
  async function* waiting(): AsyncGenerator<Uint8Array, void, undefined> {
    touched = true;
    yield BODY;
  }
  const running = [0, 1].map((at) => rejection(repository.ingest(hanging(at))));
  await Promise.all(begun.map(({ opened }) => opened));
  const third = rejection(repository.ingest(waiting()));
  expect(await repository.listSnapshots()).toEqual([]);
  await repository.close();
  for (const error of await Promise.all([...running, third])) expect(error).toMatchObject({ code: 'CLOSED' });
  expect(touched).toBe(false);
});

test('close from a handler of the call itself does not wait for itself', async () => {
  const repository = await makeRepository();
  const closed = gate();
  repository.on('ingest:complete', () => void repository.close().then(() => closed.open()));
  await repository.ingest(BODY);
  await closed.opened;
  await refusal(repository.listSnapshots(), 'CLOSED');
});

async function makeOpen(backend: MemoryBackend): Promise<Repository> {
  const { Repository: Class } = await import('../../src/index.ts');
  const { onTestFinished } = await import('vitest');
  const repository = await Class.open(backend, { memoryLimit: 64 << 20 });
  onTestFinished(() => repository.close());
  return repository;
}
