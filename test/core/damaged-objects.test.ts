/** Every kind of object, damaged in every way that a store or a person can damage it: no wrong byte, and repair makes it good. */
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { type InitOptions, Repository } from '../../src/index.ts';
import { bytes, dump, sha256 } from '../support/data.ts';
import { KDF, refusal, restored, SMALL } from '../support/repositories.ts';

const OPTIONS: InitOptions = { parity: { data: 4, parity: 2 }, packSize: 262_144 };
const BODIES = [bytes(1, 900_000), Buffer.concat([bytes(1, 500_000), dump(2, 900_000)])];
const PASSPHRASE = 'sesame';

interface Prepared {
  readonly ids: readonly string[];
  readonly objects: ReadonlyMap<string, Uint8Array>;
}

async function prepare(options: InitOptions, seed: number): Promise<Prepared> {
  const backend = new MemoryBackend();
  const repository = await Repository.init(backend, { ...SMALL, ...OPTIONS, ...options });
  const ids: string[] = [];
  for (const body of BODIES) ids.push((await repository.ingest(body, { tags: { seed: `${seed}` } })).id);
  await repository.close();
  const objects = new Map<string, Uint8Array>();
  for await (const { key } of backend.list('')) objects.set(key, await backend.get(key));
  return { ids, objects };
}

async function load({ objects }: Prepared): Promise<MemoryBackend> {
  const backend = new MemoryBackend();
  for (const [key, body] of objects) await backend.put(key, body, { mode: 'create' });
  return backend;
}

/** Kinds, and where an object of the kind stands. */
const KINDS: Readonly<Record<string, string>> = {
  config: 'config.json',
  'copy of config': 'config.copy.json',
  'key file': 'keys/',
  pack: 'packs/data/',
  'parity object': 'packs/parity/',
  idx: 'index/',
  snapshot: 'snapshots/',
};

/** What becomes of an object's bytes. `other`: another one of its kind; `foreign`: one of another repository. */
type Change = (body: Uint8Array, other: Uint8Array, foreign: Uint8Array) => Uint8Array;

const CHANGES: Readonly<Record<string, Change>> = {
  'cut in half': (body) => body.slice(0, body.byteLength >> 1),
  'cut by one byte': (body) => body.slice(0, -1),
  emptied: () => new Uint8Array(0),
  'longer by a byte': (body) => Buffer.concat([body, Buffer.alloc(1)]),
  'longer than any of its kind': (body) => Buffer.concat([body, Buffer.alloc(2_500_000)]),
  'flipped in one bit of its head': (body) => flipped(body, 3),
  'flipped in one bit of its middle': (body) => flipped(body, body.byteLength >> 1),
  'flipped in one bit of its end': (body) => flipped(body, body.byteLength - 1),
  'all zeros': (body) => new Uint8Array(body.byteLength),
  'noise of its length': (body) => bytes(99, body.byteLength),
  'the bytes of another one of its kind': (_body, other) => other,
  'the bytes of one of another repository': (_body, _other, foreign) => foreign,
};

// Key derivation takes a tenth of a second each time: what does not depend on encryption is tried without.
const ENCRYPTED = new Set([
  'cut in half',
  'flipped in one bit of its middle',
  'the bytes of one of another repository',
]);

function flipped(body: Uint8Array, at: number): Uint8Array {
  const copy = body.slice();
  copy[at] = (copy[at] ?? 0) ^ 4;
  return copy;
}

function keysOf({ objects }: Prepared, prefix: string): string[] {
  return [...objects.keys()].filter((key) => key.startsWith(prefix)).toSorted();
}

for (const passphrase of [undefined, PASSPHRASE]) {
  const options: InitOptions = passphrase === undefined ? {} : { passphrase, kdf: KDF };
  const mode = passphrase === undefined ? 'open' : 'encrypted';
  const own = prepare(options, 1);
  const foreign = prepare(options, 2);
  for (const [kind, prefix] of Object.entries(KINDS)) {
    if (kind === 'key file' && passphrase === undefined) continue;
    test(`a damaged ${kind} gives no wrong byte and is made good (${mode})`, async () => {
      const prepared = await own;
      const others = await foreign;
      const keys = keysOf(prepared, prefix);
      const [key = '', ...rest] = keys;
      const last = rest.at(-1) ?? key;
      for (const [change, apply] of Object.entries(CHANGES)) {
        if (passphrase !== undefined && !ENCRYPTED.has(change)) continue;
        const body = prepared.objects.get(key) ?? new Uint8Array(0);
        const other = prepared.objects.get(last) ?? new Uint8Array(0);
        const strange = others.objects.get(keysOf(others, prefix)[0] ?? '') ?? new Uint8Array(0);
        const changed = apply(body, other, strange);
        // The other copy of a key file, and the only config of its name, are no other bytes.
        if (sha256(changed) === sha256(body)) continue;
        const backend = await load(prepared);
        await backend.put(key, changed, { mode: 'overwrite' });
        const strangers = kind.includes('config') && change.includes('repository') && passphrase === undefined;
        if (strangers) await twoConfigs(backend);
        else await holds(backend, prepared, key, `${key} ${change}`, passphrase);
      }
    });
  }

  test(`objects of another repository beside its own are not taken for its own (${mode})`, async () => {
    const prepared = await own;
    const others = await foreign;
    const backend = await load(prepared);
    for (const [key, body] of others.objects) {
      if (!key.startsWith('config')) await backend.put(key, body, { mode: 'overwrite' });
    }
    const repository = await Repository.open(backend, { ...SMALL, passphrase });
    expect((await repository.listSnapshots()).map(({ id }) => id)).toEqual(prepared.ids);
    for (const [at, id] of prepared.ids.entries()) {
      expect(sha256(await restored(repository, id))).toBe(sha256(BODIES[at] ?? new Uint8Array(0)));
    }
    for (const id of others.ids) await refusal(repository.restore(id), 'CORRUPT');
    const { newChunks } = await repository.ingest(BODIES[0] ?? new Uint8Array(0));
    expect(newChunks).toBe(0);
    await repository.close();
  });

  test(`a copy of an object under another name of its kind is not believed (${mode})`, async () => {
    const prepared = await own;
    const backend = await load(prepared);
    const [snapshot = ''] = keysOf(prepared, 'snapshots/');
    const [idx = ''] = keysOf(prepared, 'index/');
    for (const key of [snapshot, idx]) {
      await backend.put(key.replace(/[0-9a-f]{32}/, 'ab'.repeat(16)), prepared.objects.get(key) ?? new Uint8Array(0), {
        mode: 'create',
      });
    }
    const repository = await Repository.open(backend, { ...SMALL, passphrase });
    expect((await repository.listSnapshots()).map(({ id }) => id)).toEqual(prepared.ids);
    await refusal(repository.restore('ab'.repeat(16)), 'CORRUPT');
    const { ok, errors } = await repository.verify({ level: 'full' });
    expect(ok).toBe(false);
    for (const { key = '', snapshot: named = '' } of errors) expect(key + named).toContain('ab'.repeat(16));
    await repository.close();
  });
}

test('planted: damage beyond parity, and damage that is none, are seen by these checks', async () => {
  const prepared = await prepare({ parity: false }, 3);
  const [pack = ''] = keysOf(prepared, 'packs/data/');
  const backend = await load(prepared);
  await expect(holds(backend, prepared, pack, 'nothing was done', undefined)).rejects.toThrow('nothing was done');
  await backend.delete([pack]);
  await expect(holds(backend, prepared, pack, 'lost', undefined)).rejects.toMatchObject({ code: 'CORRUPT' });
});

/** Without a key nobody can tell which of two configs is the right one, so neither is used. */
async function twoConfigs(backend: MemoryBackend): Promise<void> {
  const error = await refusal(Repository.open(backend, SMALL), 'CORRUPT');
  expect(error.message).toContain('config.json and its copy differ and both are authentic. Nothing was changed.');
}

/** Opens, restores everything right, sees the damage, repairs it, and sees no more. */
async function holds(
  backend: MemoryBackend,
  prepared: Prepared,
  key: string,
  what: string,
  passphrase: string | undefined,
): Promise<void> {
  const repository = await Repository.open(backend, { ...SMALL, passphrase });
  const allRight = async (): Promise<void> => {
    for (const [at, id] of prepared.ids.entries()) {
      expect(sha256(await restored(repository, id)), what).toBe(sha256(BODIES[at] ?? new Uint8Array(0)));
    }
  };
  // Without its idx a pack is not found until repair has looked for it.
  if (!key.startsWith('index/')) await allRight();
  const { ok, errors } = await repository.verify({ level: 'full' });
  expect(ok, what).toBe(false);
  expect(
    errors.every(({ repairable, snapshot }) => repairable || snapshot !== undefined),
    what,
  ).toBe(true);
  expect(
    errors.map((error) => error.key),
    what,
  ).toContain(key);
  await repository.repair();
  await allRight();
  const after = await repository.verify({ level: 'full' });
  expect({ what, errors: after.errors }).toEqual({ what, errors: [] });
  await repository.close();
}
