/** What init finds out about a store, and what it does about it. */
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { PackvaultError, probeStore, Repository, type StorageBackend } from '../../src/index.ts';
import { FaultBackend, RecordBackend } from '../../src/testing/index.ts';
import { bytes } from '../support/data.ts';
import { refusal, rejection, SMALL } from '../support/repositories.ts';

const INIT = { ...SMALL, cache: false } as const;

type Verbs = Partial<Pick<StorageBackend, 'put' | 'get' | 'list' | 'delete'>>;

/** A store that does some things in its own way. */
function liar(verbs: (inner: MemoryBackend) => Verbs): {
  readonly inner: MemoryBackend;
  readonly store: StorageBackend;
} {
  const inner = new MemoryBackend();
  const store: StorageBackend = {
    location: 'liar:',
    capabilities: inner.capabilities,
    put: (...given) => inner.put(...given),
    get: (...given) => inner.get(...given),
    stat: (...given) => inner.stat(...given),
    list: (...given) => inner.list(...given),
    delete: (...given) => inner.delete(...given),
    [Symbol.asyncDispose]: async () => undefined,
    ...verbs(inner),
  };
  return { inner, store };
}

/** Ignores the condition, as many servers do. */
const ignoresCreate = (inner: MemoryBackend): Verbs => ({
  put: (key, body, options) => inner.put(key, body, { ...options, mode: 'overwrite' }),
});

/** Looks, and then writes. */
const checksThenWrites = (inner: MemoryBackend): Verbs => ({
  async put(key, body, options) {
    if (options.mode === 'create') {
      const there = await inner.stat(key).then(
        () => true,
        () => false,
      );
      // Only an object that was there before this turn is noticed.
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
      if (there) return inner.put(key, body, options);
    }
    return inner.put(key, body, { ...options, mode: 'overwrite' });
  },
});

const clipsRanges = (inner: MemoryBackend): Verbs => ({
  async get(key, options = {}) {
    const { offset, length } = options;
    if (offset === undefined || length === undefined) return inner.get(key, options);
    return (await inner.get(key)).slice(offset, offset + length);
  },
});

const giveWhole = (inner: MemoryBackend): Verbs => ({ get: (key) => inner.get(key) });

const keepsTheFirst = (inner: MemoryBackend): Verbs => ({
  async put(key, body, options) {
    await inner.put(key, body, { ...options, mode: 'create' }).catch((error: unknown) => {
      if (options.mode === 'create') throw error;
    });
  },
});

const listsNothing = (): Verbs => ({
  async *list() {
    yield* [];
  },
});

const storesOther = (inner: MemoryBackend): Verbs => ({
  put: (key, body, options) =>
    inner.put(
      key,
      body.map((byte) => byte ^ 1),
      options,
    ),
});

const createsNothing = (inner: MemoryBackend): Verbs => ({
  async put(key, body, options) {
    if (options.mode === 'create') throw new PackvaultError({ code: 'UNSUPPORTED', message: 'No conditions here.' });
    return inner.put(key, body, options);
  },
});

async function keysOf(store: StorageBackend): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}

test('a store that keeps every guarantee is found to, and nothing is left there', async () => {
  const store = new MemoryBackend();
  const { usable, exclusiveCreate, findings } = await probeStore(store);
  expect({ usable, exclusiveCreate }).toEqual({ usable: true, exclusiveCreate: true });
  expect(findings.map(({ name, ok }) => [name, ok])).toEqual(
    ['read after write', 'ranges', 'overwrite', 'list after put', 'create twice', 'racing creates', 'delete'].map(
      (name) => [name, true],
    ),
  );
  expect(await keysOf(store)).toEqual([]);
});

test('what is already there is neither changed nor read', async () => {
  const store = new MemoryBackend();
  await store.put('probe/of/somebody', bytes(1, 10), { mode: 'create' });
  await store.put('letter.txt', bytes(2, 10), { mode: 'create' });
  const record = new RecordBackend(store);
  await probeStore(record);
  expect(await keysOf(store)).toEqual(['letter.txt', 'probe/of/somebody']);
  expect(await store.get('probe/of/somebody')).toEqual(new Uint8Array(bytes(1, 10)));
  expect(record.log.filter(({ key }) => !/^probe\/[0-9a-f]{16}\//.test(key))).toEqual([]);
});

for (const [name, { verbs, guarantee, left }] of Object.entries({
  'clips ranges at the end': { verbs: clipsRanges, guarantee: 'ranges', left: [] },
  'ignores ranges': { verbs: giveWhole, guarantee: 'ranges', left: [] },
  'does not replace': { verbs: keepsTheFirst, guarantee: 'overwrite', left: [] },
  'stores other bytes': { verbs: storesOther, guarantee: 'read after write', left: [] },
  'knows no create': { verbs: createsNothing, guarantee: 'create', left: [] },
  // What is not listed can't be cleaned up.
  'does not list what is new': { verbs: listsNothing, guarantee: 'list after put', left: [expect.any(String)] },
})) {
  test(`init refuses a store that ${name}, and names the guarantee`, async () => {
    const { inner, store } = liar(verbs);
    const error = await refusal(Repository.init(store, INIT), 'UNSUPPORTED');
    expect(error.context['missing']).toContain(guarantee);
    expect(error.message).toContain(guarantee);
    expect(error.message).toContain('What works:');
    const keys = await keysOf(inner);
    if (left.length === 0) expect(keys).toEqual([]);
    else expect(keys.every((key) => key.startsWith('probe/'))).toBe(true);
    expect((await probeStore(store)).usable).toBe(false);
  });
}

for (const [name, verbs] of Object.entries({
  'ignores create-only': ignoresCreate,
  'checks and then writes': checksThenWrites,
})) {
  test(`on a store that ${name}, backups work and prune asks for a sole maintainer`, async () => {
    const { inner, store } = liar(verbs);
    const { usable, exclusiveCreate, findings } = await probeStore(store);
    expect({ usable, exclusiveCreate }).toEqual({ usable: true, exclusiveCreate: false });
    expect(findings.find((finding) => finding.name === 'racing creates')?.detail).toContain(
      'only one machine may prune',
    );
    const repository = await Repository.init(store, INIT);
    expect(new TextDecoder().decode(await inner.get('config.json'))).toContain('"exclusiveCreate":false');
    const first = await repository.ingest(bytes(1, 500_000));
    const second = await repository.ingest(bytes(2, 500_000));
    const locked = await refusal(repository.prune({ keepLast: 1 }), 'LOCKED');
    expect(locked.message).toContain('soleMaintainer');
    expect((await repository.listSnapshots()).map(({ id }) => id)).toEqual([first.id, second.id]);
    await repository.close();
    // It stands in config, so that every later client minds it.
    const again = await Repository.open(store, INIT);
    await refusal(again.prune({ keepLast: 1 }), 'LOCKED');
    const { removedSnapshots } = await again.prune({ keepLast: 1 }, { soleMaintainer: true });
    expect(removedSnapshots).toBe(1);
    expect((await again.listSnapshots()).map(({ id }) => id)).toEqual([second.id]);
    expect((await again.verify({ level: 'full' })).ok).toBe(true);
    await again.close();
  });
}

test('the test of races is what finds a store that checks and then writes', async () => {
  const { findings } = await probeStore(liar(checksThenWrites).store);
  expect(findings.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['racing creates']);
});

test('a store that lets nobody delete is usable: init, backup and restore work, and the probe says what stays', async () => {
  const inner = new MemoryBackend();
  const store = new FaultBackend(inner, { rules: [{ fault: 'PERMISSION_DENIED', verb: 'delete' }] });
  const { usable, exclusiveCreate, findings } = await probeStore(store);
  expect({ usable, exclusiveCreate }).toEqual({ usable: true, exclusiveCreate: true });
  const deleting = findings.find(({ name }) => name === 'delete');
  expect(deleting).toMatchObject({ ok: false, required: false });
  expect(deleting?.detail).toContain('PERMISSION_DENIED');
  const [left] = await keysOf(inner);
  expect(deleting?.detail).toContain(left?.split('/').slice(0, 2).join('/'));
  const repository = await Repository.init(store, INIT);
  await repository.ingest(bytes(1, 500_000));
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);
  await repository.close();
});

test('a store whose deletions take effect late is usable', async () => {
  const store = new FaultBackend(new MemoryBackend(), { rules: [{ fault: 'delayed-delete' }] });
  const { usable, findings } = await probeStore(store);
  expect(usable).toBe(true);
  expect(findings.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['delete']);
});

test('a store that answers no puts gives its own error, and what was put goes away', async () => {
  for (const nth of [1, 3, 8]) {
    const inner = new MemoryBackend();
    const store = new FaultBackend(inner, { rules: [{ fault: 'PERMISSION_DENIED', verb: 'put', nth }] });
    const error = await refusal(Repository.init(store, INIT), 'PERMISSION_DENIED');
    expect(error.message).toContain('Injected fault');
    expect(await keysOf(inner)).toEqual([]);
  }
});

test('a probe that is called off rejects with the reason', async () => {
  const reason = new Error('not any more');
  const store = new FaultBackend(new MemoryBackend(), { rules: [{ fault: 'stall', verb: 'put', nth: 4 }] });
  const controller = new AbortController();
  const probing = rejection(probeStore(store, { signal: controller.signal }));
  while (store.log.length === 0) await new Promise((resolve) => setImmediate(resolve));
  controller.abort(reason);
  expect(await probing).toBe(reason);
});

test('nothing is tried out where a repository is already', async () => {
  const record = new RecordBackend(new MemoryBackend());
  await (await Repository.init(record, INIT)).close();
  record.reset();
  await refusal(Repository.init(record, INIT), 'ALREADY_EXISTS');
  expect(record.log.filter(({ key }) => key.startsWith('probe/'))).toEqual([]);
});
