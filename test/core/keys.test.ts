/** Passphrases: who gets in, who no longer does, and what each wrong one is told. */
import { expect, onTestFinished, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { Repository, type StorageBackend } from '../../src/index.ts';
import { FaultBackend } from '../../src/testing/index.ts';
import { bytes } from '../support/data.ts';
import { KDF, makeRepository, refusal, restored, SMALL } from '../support/repositories.ts';

const FIRST = 'correct horse battery staple';
const BODY = bytes(1, 50_000);

async function encrypted(backend: StorageBackend = new MemoryBackend()): Promise<Repository> {
  return makeRepository(backend, { passphrase: FIRST, kdf: KDF });
}

async function opened(backend: StorageBackend, passphrase: string | Uint8Array): Promise<Repository> {
  const repository = await Repository.open(backend, { passphrase, memoryLimit: 64 << 20 });
  onTestFinished(() => repository.close());
  return repository;
}

test('a second passphrase opens the same backups, and no data is touched', async () => {
  const backend = new MemoryBackend();
  const repository = await encrypted(backend);
  const { id } = await repository.ingest(BODY);
  const before = await objects(backend, 'packs/');
  const second = await repository.keys.add('another one', { label: 'for the night shift 🌙', kdf: KDF });
  expect(await objects(backend, 'packs/')).toEqual(before);
  const other = await opened(backend, 'another one');
  expect(await restored(other, id)).toEqual(Buffer.from(BODY));
  const list = await other.keys.list();
  expect(list).toEqual([
    { id: expect.stringMatching(/^[0-9a-f]{32}$/), label: 'first', createdAt: expect.stringMatching(/Z$/) },
    { id: second, label: 'for the night shift 🌙', createdAt: expect.stringMatching(/Z$/) },
  ]);
});

test('a removed passphrase no longer opens, in both copies, and the others do', async () => {
  const backend = new MemoryBackend();
  const repository = await encrypted(backend);
  const [first] = await repository.keys.list();
  await repository.keys.add('another one', { kdf: KDF });
  await repository.keys.remove(first?.id ?? '');
  const error = await refusal(Repository.open(backend, { passphrase: FIRST }), 'WRONG_PASSPHRASE');
  expect(error.message).toBe('The passphrase opens none of the key files. Nothing was changed.');
  expect(await objects(backend, 'keys/')).toHaveLength(2);
  expect(await (await opened(backend, 'another one')).keys.list()).toHaveLength(1);
});

test('the last key cannot be removed, an unknown one is NOT_FOUND', async () => {
  const backend = new MemoryBackend();
  const repository = await encrypted(backend);
  const [only] = await repository.keys.list();
  const last = await refusal(repository.keys.remove(only?.id ?? ''), 'INVALID_ARGUMENT');
  expect(last.message).toContain('This is the last key');
  const unknown = await refusal(repository.keys.remove('0'.repeat(32)), 'NOT_FOUND');
  expect(unknown.message).toContain('There is no key 00000000000000000000000000000000');
  await refusal(repository.keys.remove('../config.json'), 'NOT_FOUND');
  await refusal(repository.keys.remove(undefined as unknown as string), 'INVALID_ARGUMENT');
  expect(await opened(backend, FIRST)).toBeDefined();
});

test('a passphrase may be bytes, and text is the same in every form of Unicode', async () => {
  const backend = new MemoryBackend();
  const repository = await encrypted(backend);
  await repository.keys.add('caf\u00e9', { kdf: KDF });
  const raw = Uint8Array.of(0, 255, 128, 10);
  await repository.keys.add(raw, { kdf: KDF });
  expect([...raw]).toEqual([0, 255, 128, 10]);
  await opened(backend, 'cafe\u0301');
  await opened(backend, new TextEncoder().encode('caf\u00e9'));
  await opened(backend, Buffer.from(raw));
  await refusal(Repository.open(backend, { passphrase: raw.subarray(1) }), 'WRONG_PASSPHRASE');
});

test('what is no passphrase, label or cost is refused, and nothing is stored', async () => {
  const backend = new MemoryBackend();
  const repository = await encrypted(backend);
  const none = [undefined, null, 7, '', new Uint8Array(0), 'x'.repeat((1 << 20) + 1)];
  for (const wrong of none) await refusal(repository.keys.add(wrong as string), 'INVALID_ARGUMENT');
  await refusal(repository.keys.add('good', { label: 'x'.repeat(4_097) }), 'INVALID_ARGUMENT');
  await refusal(repository.keys.add('good', { label: 7 as unknown as string }), 'INVALID_ARGUMENT');
  for (const kdf of [{ memoryKiB: 1_024 }, { iterations: 2 }, { parallelism: 0 }, { iterations: 2.5 }]) {
    await refusal(repository.keys.add('good', { kdf: { ...KDF, ...kdf } }), 'INVALID_ARGUMENT');
  }
  expect(await objects(backend, 'keys/')).toHaveLength(2);
});

test('a repository that is not encrypted has no keys', async () => {
  const repository = await makeRepository();
  for (const call of [repository.keys.list(), repository.keys.add('x', { kdf: KDF }), repository.keys.remove('x')]) {
    const error = await refusal(call, 'INVALID_ARGUMENT');
    expect(error.message).toBe('This repository is not encrypted: it has no keys.');
  }
});

test('a key that could not be stored opens nothing, or all; a second try succeeds', async () => {
  const inner = new MemoryBackend();
  const backend = new FaultBackend(inner);
  const repository = await encrypted(backend);
  for (const nth of [1, 2]) {
    backend.inject({ fault: 'OUT_OF_SPACE', verb: 'put', key: 'keys/', nth });
    await refusal(repository.keys.add('another one', { kdf: KDF }), 'OUT_OF_SPACE');
    await backend.heal();
    await opened(inner, FIRST);
  }
  await repository.keys.add('another one', { kdf: KDF });
  await opened(inner, 'another one');
});

test('keys that people remove at the same moment leave one that opens', async () => {
  const backend = new MemoryBackend();
  const one = await encrypted(backend);
  await one.keys.add('another one', { kdf: KDF });
  const two = await opened(backend.share(), 'another one');
  const [first, second] = (await one.keys.list()).map(({ id }) => id);
  const outcomes = await Promise.allSettled([one.keys.remove(first ?? ''), two.keys.remove(second ?? '')]);
  const left = await one.keys.list();
  expect(left.length, JSON.stringify(outcomes)).toBeGreaterThanOrEqual(1);
  const passphrases: Readonly<Record<string, string>> = { [first ?? '']: FIRST, [second ?? '']: 'another one' };
  for (const { id } of left) await opened(backend, passphrases[id] ?? '');
});

test('no passphrase shows in what is stored or thrown', async () => {
  const backend = new MemoryBackend();
  const repository = await encrypted(backend);
  await repository.ingest(BODY);
  for await (const { key } of backend.list('')) {
    expect(Buffer.from(await backend.get(key)).includes(FIRST), key).toBe(false);
  }
  const error = await refusal(Repository.open(backend, { ...SMALL, passphrase: 'a wrong one' }), 'WRONG_PASSPHRASE');
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const shown = JSON.stringify([at.message, at.stack, at]);
    expect(shown).not.toContain('a wrong one');
    expect(shown).not.toContain(FIRST);
  }
});

async function objects(backend: MemoryBackend, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of backend.list(prefix)) keys.push(key);
  return keys;
}
