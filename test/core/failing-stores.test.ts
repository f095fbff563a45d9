/** Stores that are full, forbid, break their contract or say nothing: the error is exact, and nothing that was stored is hurt. */
import { expect, test, vi } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { PackvaultError, Repository, type StorageBackend } from '../../src/index.ts';
import { FaultBackend, type FaultRule } from '../../src/testing/index.ts';
import { bytes, dump, sha256 } from '../support/data.ts';
import { makeRepository, refusal, rejection, restored, SMALL } from '../support/repositories.ts';
import { gate, type StoreCall, TappedBackend, whenAborted } from '../support/tapped.ts';

const BEFORE = bytes(1, 300_000);
const BODY = Buffer.concat([BEFORE, bytes(2, 1_500_000), dump(2, 300_000)]);
const PARITY = { parity: { data: 3, parity: 2 }, packSize: 262_144 } as const;

const SWEEPS: readonly FaultRule[] = [
  { fault: 'OUT_OF_SPACE', verb: 'put' },
  { fault: 'PERMISSION_DENIED' },
  { fault: 'UNAVAILABLE', retry: 'exhausted' },
];

for (const rule of SWEEPS) {
  const { fault, verb = 'any' } = rule;
  test(`an ingest that meets ${fault} at its n-th ${verb} request, for every n, hurts nothing and can be run again`, async () => {
    const prepared = new MemoryBackend();
    const earlier = await (await makeRepository(prepared, PARITY)).ingest(BEFORE);
    let met = 0;
    for (let from = 1; ; from += 1) {
      const inner = await copyOf(prepared);
      const backend = new FaultBackend(inner);
      const repository = await Repository.open(backend, SMALL);
      backend.inject({ ...rule, from });
      const outcome = await repository.ingest(BODY).catch((error: unknown) => error);
      await backend.heal();
      if (backend.log.length === 0) break;
      met += 1;
      expect(outcome, `request ${from}`).toMatchObject({ code: fault });
      await unharmed(inner, earlier.id, from);
      // The client that failed goes on, too.
      const { id } = await repository.ingest(BODY);
      expect(sha256(await restored(repository, id)), `request ${from}`).toBe(sha256(BODY));
      await onlyASecondCopyMayLack(repository, from);
      await repository.close();
    }
    // Packs, parity, idx and two copies of the snapshot; and what is read before.
    expect(met).toBeGreaterThan(verb === 'any' ? 15 : 12);
  });
}

/** Where the last request failed, the snapshot stands there once instead of twice, which repair makes good. */
async function onlyASecondCopyMayLack(repository: Repository, request: number): Promise<void> {
  const { errors } = await repository.verify({ level: 'full' });
  for (const { key, code, repairable } of errors) {
    const wanted = { key: expect.stringMatching(/^snapshots\/.*\.b$/), code: 'NOT_FOUND', repairable: true };
    expect({ key, code, repairable }, `request ${request}`).toEqual(wanted);
  }
  expect(errors.length, `request ${request}`).toBeLessThan(2);
  expect((await repository.repair()).snapshotsRestored).toBe(errors.length);
  expect((await repository.verify({ level: 'full' })).ok, `request ${request}`).toBe(true);
}

async function copyOf(backend: MemoryBackend): Promise<MemoryBackend> {
  const copy = new MemoryBackend();
  for await (const { key } of backend.list('')) await copy.put(key, await backend.get(key), { mode: 'create' });
  return copy;
}

/** A new client sees the earlier snapshot, and others only if they are whole. */
async function unharmed(backend: StorageBackend, earlier: string, request: number): Promise<void> {
  const repository = await Repository.open(backend, SMALL);
  const ids = (await repository.listSnapshots()).map(({ id }) => id);
  expect(ids, `request ${request}`).toContain(earlier);
  expect(sha256(await restored(repository, earlier)), `request ${request}`).toBe(sha256(BEFORE));
  for (const id of ids) {
    if (id !== earlier) expect(sha256(await restored(repository, id)), `request ${request}`).toBe(sha256(BODY));
  }
  await repository.close();
}

test('a put whose answer is lost is asked again, and the backup is whole', async () => {
  const prepared = new MemoryBackend();
  const earlier = await (await makeRepository(prepared, PARITY)).ingest(BEFORE);
  for (const nth of [1, 2, 5, 9, 14, 15, 16]) {
    const inner = await copyOf(prepared);
    const backend = new FaultBackend(inner);
    const repository = await Repository.open(backend, SMALL);
    let retries = 0;
    repository.on('backend:retry', ({ error }) => {
      expect(error.code).toBe('UNAVAILABLE');
      retries += 1;
    });
    backend.inject({ fault: 'lost-answer', verb: 'put', nth });
    const { id } = await repository.ingest(BODY);
    expect(retries, backend.explain()).toBe(backend.log.length);
    expect((await repository.verify({ level: 'full' })).errors).toEqual([]);
    await unharmed(inner, earlier.id, nth);
    expect(sha256(await restored(repository, id))).toBe(sha256(BODY));
    await repository.close();
  }
});

test('planted: a pack that vanishes meanwhile is seen by these checks', async () => {
  const backend = new MemoryBackend();
  const repository = await makeRepository(backend, { parity: false });
  const { id } = await repository.ingest(BEFORE);
  for await (const { key } of backend.list('packs/')) await backend.delete([key]);
  await expect(unharmed(backend, id, 0)).rejects.toMatchObject({ code: 'CORRUPT' });
  await expect(onlyASecondCopyMayLack(repository, 0)).rejects.toThrow('request 0');
});

test('an init that meets a full disk at its n-th put, for every n, can be run again', async () => {
  for (let nth = 1; ; nth += 1) {
    const backend = new FaultBackend(new MemoryBackend(), { rules: [{ fault: 'OUT_OF_SPACE', verb: 'put', nth }] });
    const outcome = await Repository.init(backend, SMALL).catch((error: unknown) => error);
    if (backend.log.length === 0) {
      await (outcome as Repository).close();
      expect(nth).toBeGreaterThan(2);
      break;
    }
    expect(outcome, `put ${nth}`).toMatchObject({ code: 'OUT_OF_SPACE' });
    await backend.heal();
    // What decides is config.json: before it stands, init can be repeated; after that, the repository can be opened.
    const again = await Repository.init(backend, SMALL).catch(async (error: unknown) => {
      expect(error, `put ${nth}`).toMatchObject({ code: 'ALREADY_EXISTS' });
      return Repository.open(backend, SMALL);
    });
    const { id } = await again.ingest(BEFORE);
    expect(sha256(await restored(again, id))).toBe(sha256(BEFORE));
    await again.close();
  }
});

/** A call that asks the store this. */
async function asking(repository: Repository, verb: StoreCall['verb'], signal?: AbortSignal): Promise<unknown> {
  if (verb === 'put') return repository.ingest(BODY, { signal });
  if (verb === 'get') return repository.verify({ signal });
  return repository.listSnapshots({ signal });
}

const FOREIGN: Readonly<Record<string, unknown>> = {
  'a TypeError': new TypeError('fetch failed'),
  'an error with a code of another world': Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }),
  text: 'no',
  nothing: undefined,
  'an AbortError of its own': new DOMException('timeout', 'TimeoutError'),
};

for (const [kind, thrown] of Object.entries(FOREIGN)) {
  test(`a store that throws ${kind} is told as UNAVAILABLE, never to be repeated, with that as its cause`, async () => {
    const backend = new TappedBackend(new MemoryBackend());
    const repository = await makeRepository(backend);
    const { id } = await repository.ingest(BEFORE);
    for (const verb of ['put', 'get', 'list'] as const) {
      backend.tap = (call, next) => {
        if (call.verb !== verb) return next();
        throw thrown;
      };
      const error = await refusal(asking(repository, verb), 'UNAVAILABLE');
      expect(error.retry).toBe('never');
      expect(error.cause).toBe(thrown);
      expect(error.message).toMatch(
        new RegExp(`^${verb} of .* failed in memory:: .*What was stored before is not harmed`),
      );
    }
    backend.tap = (_call, next) => next();
    expect(sha256(await restored(repository, id))).toBe(sha256(BEFORE));
  });
}

test('a PackvaultError of a store comes out as it is', async () => {
  const backend = new TappedBackend(new MemoryBackend());
  const repository = await makeRepository(backend);
  const own = new PackvaultError({ code: 'RATE_LIMITED', retry: 'exhausted', message: 'slow down' });
  backend.tap = () => {
    throw own;
  };
  expect(await rejection(repository.ingest(BODY))).toBe(own);
  expect(await rejection(repository.listSnapshots())).toBe(own);
  expect(await rejection(repository.verify())).toBe(own);
  expect(await rejection(repository.repair())).toBe(own);
});

/** What a get answers instead of what it should. */
const LIES: Readonly<Record<string, (got: Uint8Array) => unknown>> = {
  'a byte too few': (got) => got.subarray(0, got.byteLength - 1),
  'a byte too many': (got) => Buffer.concat([got, Buffer.alloc(1)]),
  nothing: () => new Uint8Array(0),
  'other bytes': (got) => got.map((byte) => byte ^ 255),
};

for (const [kind, lie] of Object.entries(LIES)) {
  test(`a store that answers reads of packs with ${kind} gives no wrong byte`, async () => {
    const backend = new TappedBackend(new MemoryBackend());
    const repository = await makeRepository(backend);
    const { id } = await repository.ingest(BODY);
    backend.tap = async (call, next) => {
      const got = await next();
      return call.verb === 'get' && call.key.startsWith('packs/') ? lie(got as Uint8Array) : got;
    };
    await refusal(restored(repository, id), 'CORRUPT');
    expect((await repository.verify({ level: 'full' })).ok).toBe(false);
    backend.tap = (_call, next) => next();
    expect(sha256(await restored(repository, id))).toBe(sha256(BODY));
    expect((await repository.verify({ level: 'full' })).ok).toBe(true);
  });
}

test('a store that answers reads with what is no bytes, or listings with what is no object, is told', async () => {
  const backend = new TappedBackend(new MemoryBackend());
  const repository = await makeRepository(backend);
  const { id } = await repository.ingest(BODY);
  const answer = (verb: StoreCall['verb'], value: unknown): void => {
    backend.tap = (call, next) => (call.verb === verb ? value : next());
  };
  for (const value of [undefined, 'text', [1, 2], new ArrayBuffer(3)]) {
    answer('get', value);
    const error = await refusal(restored(repository, id), 'UNAVAILABLE');
    expect(error.message).toContain('instead of Uint8Array');
  }
  for (const value of [
    [{ key: 7, size: 1, modifiedAt: new Date() }],
    [{ key: 'index/x', size: -1, modifiedAt: new Date() }],
    [{}],
  ]) {
    answer('list', value);
    await refusal(repository.listSnapshots(), 'UNAVAILABLE');
  }
  backend.tap = async (call, next) => {
    const got = await next();
    if (call.verb !== 'list') return got;
    return (got as object[]).map((object) => Object.assign(object, { modifiedAt: new Date(Number.NaN) }));
  };
  expect(await repository.listSnapshots()).toHaveLength(1);
});

test('a put that fails after it has read the body, or stores what it was given late, spoils nothing', async () => {
  const inner = new MemoryBackend();
  const backend = new TappedBackend(inner);
  const repository = await makeRepository(backend, PARITY);
  for (let round = 0; round < 3; round += 1) {
    let failed = false;
    backend.tap = async (call, next) => {
      await next();
      if (call.verb !== 'put' || failed) return undefined;
      failed = true;
      throw new PackvaultError({ code: 'UNAVAILABLE', retry: 'exhausted', message: 'no answer' });
    };
    await refusal(repository.ingest(BODY), 'UNAVAILABLE');
  }
  backend.tap = (_call, next) => next();
  const { id } = await repository.ingest(BODY);
  expect(sha256(await restored(repository, id))).toBe(sha256(BODY));
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);
});

test('the body of a put does not change before it settles, whoever else is at work', async () => {
  const inner = new MemoryBackend();
  const backend = new TappedBackend(inner);
  const repository = await makeRepository(backend, PARITY);
  let changed = 0;
  backend.tap = async (call, next) => {
    if (call.verb !== 'put' || call.body === undefined) return next();
    const before = sha256(call.body);
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    if (sha256(call.body) !== before) changed += 1;
    return next();
  };
  await Promise.all([
    repository.ingest(BODY),
    repository.ingest(bytes(7, 2_000_000)),
    repository.ingest(bytes(8, 100)),
  ]);
  expect(changed).toBe(0);
});

for (const verb of ['put', 'get', 'list'] as const) {
  test(`a store whose ${verb} never answers is freed by an abort and by close`, async () => {
    const backend = new TappedBackend(new MemoryBackend());
    const repository = await makeRepository(backend);
    const { id } = await repository.ingest(BEFORE);
    const hang = (): { reached: Promise<void> } => {
      const reached = gate();
      backend.tap = (call, next) => {
        if (call.verb !== verb) return next();
        reached.open();
        return whenAborted(call.signal);
      };
      return { reached: reached.opened };
    };
    const controller = new AbortController();
    const first = hang();
    const aborted = rejection(asking(repository, verb, controller.signal));
    await first.reached;
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await aborted).toBe(reason);
    backend.tap = (_call, next) => next();
    expect(sha256(await restored(repository, id))).toBe(sha256(BEFORE));
    const second = hang();
    const closed = rejection(asking(repository, verb));
    await second.reached;
    await repository.close();
    expect(await closed).toMatchObject({ code: 'CLOSED' });
  });
}

test('a store that does not even listen holds an abort for five seconds, and its slots for no longer', async () => {
  const backend = new TappedBackend(new MemoryBackend());
  const repository = await makeRepository(backend, { concurrency: 1 });
  const { id } = await repository.ingest(BEFORE);
  const reached = gate();
  backend.tap = (call, next) => {
    if (call.verb !== 'put') return next();
    reached.open();
    return new Promise<never>(() => undefined);
  };
  const controller = new AbortController();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const ingest = rejection(repository.ingest(BODY, { signal: controller.signal }));
    await reached.opened;
    const reason = new Error('enough');
    controller.abort(reason);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await ingest).toBe(reason);
  } finally {
    vi.useRealTimers();
  }
  backend.tap = (_call, next) => next();
  expect(sha256(await restored(repository, id))).toBe(sha256(BEFORE));
  expect((await repository.ingest(BODY)).originalSize).toBe(BODY.byteLength);
});

test('a transient failure of a read is never taken for damage', async () => {
  const backend = new FaultBackend(new MemoryBackend());
  const repository = await makeRepository(backend, PARITY);
  const { id } = await repository.ingest(BODY);
  backend.inject({ fault: 'UNAVAILABLE', verb: 'get', key: 'packs/', retry: 'exhausted' });
  await refusal(restored(repository, id), 'UNAVAILABLE');
  await refusal(repository.verify({ level: 'standard' }), 'UNAVAILABLE');
  await refusal(repository.repair(), 'UNAVAILABLE');
  await backend.heal();
  expect(await repository.verify({ level: 'full' })).toMatchObject({ ok: true });
});
