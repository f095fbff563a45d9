/** A server that has SFTP v3 and nothing more, and answers that real servers can't be made to give. */
import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { ownerOf } from '../../src/backends/local/owner.ts';
import { SftpBackend, type SftpBackendOptions } from '../../src/backends/sftp/index.ts';
import type { ObjectInfo } from '../../src/core/backend.ts';
import { conformance } from '../../src/testing/index.ts';
import { SftpDouble, type SftpDoubleOptions } from '../doubles/sftp.ts';

const ROOT = '/home/repo';
const held: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of held.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

async function start(options: SftpDoubleOptions = {}): Promise<SftpDouble> {
  const double = await SftpDouble.start(options);
  held.push(double);
  return double;
}

function open(double: SftpDouble, options: Partial<SftpBackendOptions> = {}): SftpBackend {
  const { port, hostKey } = double;
  const login = { host: '127.0.0.1', port, hostKey, user: 'someone', password: 'swordfish' };
  const backend = new SftpBackend({ ...login, path: ROOT, ...options });
  held.push(backend);
  return backend;
}

/** Quicker than a matcher, which compares one byte after the other. */
function areSame(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

async function keysOf(listing: AsyncIterable<ObjectInfo>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of listing) keys.push(key);
  return keys;
}

function temporaries(double: SftpDouble): string[] {
  return [...double.files.keys()].filter((path) => path.startsWith(`${ROOT}/.~tmp/`));
}

const shared = await SftpDouble.start({ renameReplaces: true });
let places = 0;
await conformance(
  'SFTP without extensions',
  {
    place: () => {
      const path = `place-${(places += 1)}/repo`;
      return { open: () => open(shared, { path }), requests: () => shared.requests.length };
    },
    secrets: ['swordfish'],
    broken: {
      silent: async (place) => {
        const silent = await start({ fault: () => 'silence' });
        return open(silent, { path: String(place.address), idleTimeoutMs: 300 });
      },
    },
  },
  { manyKeys: 300, largeBytes: 1024 * 1024 },
);

describe('what a server without extensions can not do', () => {
  test('it is known after the first call: creates are not exclusive, and puts may be lost', async () => {
    const double = await start();
    const backend = open(double);
    expect(backend.capabilities).toMatchObject({ exclusiveCreate: true, durablePut: true });
    await backend.put('a', randomBytes(10), { mode: 'create' });
    expect(backend.capabilities).toMatchObject({ exclusiveCreate: false, durablePut: false });
  });

  test.each([true, false])('a create is refused where an object is (renaming replaces: %s)', async (renameReplaces) => {
    const backend = open(await start({ renameReplaces }));
    const body = randomBytes(1_000);
    await backend.put('folder/a', body, { mode: 'create' });
    await expect(backend.put('folder/a', randomBytes(10), { mode: 'create' })).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
      context: { key: 'folder/a' },
    });
    expect(areSame(await backend.get('folder/a'), body)).toBe(true);
  });

  test('a name that is taken between look and renaming is ALREADY_EXISTS', async () => {
    const double = await start({
      fault: ({ verb }, { files }) => {
        if (verb === 'RENAME') files.set(`${ROOT}/a`, { bytes: Buffer.from('theirs') });
        return undefined;
      },
    });
    const backend = open(double);
    await expect(backend.put('a', randomBytes(10), { mode: 'create' })).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
    });
    expect(Buffer.from(await backend.get('a')).toString()).toBe('theirs');
    expect(temporaries(double)).toEqual([]);
  });

  test('an overwrite of other bytes moves them aside, and leaves nothing behind', async () => {
    const double = await start();
    const backend = open(double);
    const bodies = [randomBytes(100), randomBytes(100), randomBytes(50_000)] as const;
    for (const body of bodies) await backend.put('a', body, { mode: 'overwrite' });
    expect(areSame(await backend.get('a'), bodies[2])).toBe(true);
    expect(temporaries(double)).toEqual([]);
  });

  test('an overwrite by the same bytes does not touch the object', async () => {
    const double = await start();
    const backend = open(double);
    const body = randomBytes(100_000);
    await backend.put('a', body, { mode: 'overwrite' });
    const file = double.files.get(`${ROOT}/a`);
    await backend.put('a', body, { mode: 'overwrite' });
    expect(double.files.get(`${ROOT}/a`)).toBe(file);
    expect(temporaries(double)).toEqual([]);
  });

  test('an overwrite that can not be finished puts the old object back', async () => {
    const double = await start({
      fault: ({ verb, path }, { files }) => {
        const isNew = files.get(path)?.bytes.length === 200;
        return verb === 'RENAME' && isNew ? { status: 4 } : undefined;
      },
    });
    const backend = open(double);
    const old = randomBytes(100);
    await backend.put('a', old, { mode: 'create' });
    const put = backend.put('a', randomBytes(200), { mode: 'overwrite' });
    await expect(put).rejects.toMatchObject({ code: 'UNAVAILABLE', context: { key: 'a' } });
    expect(areSame(await backend.get('a'), old)).toBe(true);
    expect(temporaries(double)).toEqual([]);
  });

  test('an overwrite whose connection is cut while the object is aside loses neither of them', async () => {
    let isCut = false;
    const double = await start({
      fault: ({ verb, path }, { files }) => {
        if (verb !== 'RENAME' || isCut || files.has(`${ROOT}/a`) || files.get(path)?.bytes.length !== 200)
          return undefined;
        isCut = true;
        return 'cut';
      },
    });
    const backend = open(double);
    const [old, body] = [randomBytes(100), randomBytes(200)];
    await backend.put('a', old, { mode: 'create' });
    const put = backend.put('a', body, { mode: 'overwrite' });
    await expect(put).rejects.toMatchObject({ code: 'UNAVAILABLE', retry: 'safe' });
    await backend.put('b', randomBytes(10), { mode: 'create' });
    const aside = [...double.files].filter(([path]) => path.startsWith(`${ROOT}/.~tmp/replaced.`));
    expect(aside.map(([, { bytes }]) => areSame(bytes, old))).toEqual([true]);
    await backend.put('a', body, { mode: 'overwrite' });
    expect(areSame(await backend.get('a'), body)).toBe(true);
  });

  test('overwrites at the same moment leave one of their objects', async () => {
    const double = await start();
    const backends = [open(double), open(double)];
    const bodies = Array.from({ length: 12 }, () => randomBytes(1_000));
    const puts = bodies.map(async (body, index) => backends[index % 2]?.put('a', body, { mode: 'overwrite' }));
    const outcomes = await Promise.allSettled(puts);
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
    const left = Buffer.from((await backends[0]?.get('a')) ?? []);
    expect(bodies.some((body) => body.equals(left))).toBe(true);
  });
});

describe('answers', () => {
  test('short reads are read on, until the object is whole', async () => {
    const backend = open(await start({ maxRead: 777 }));
    const body = randomBytes(100_000);
    await backend.put('a', body, { mode: 'create' });
    expect(areSame(await backend.get('a'), body)).toBe(true);
    expect(areSame(await backend.get('a', { offset: 1_000, length: 50_000 }), body.subarray(1_000, 51_000))).toBe(true);
  });

  test('an object that shrinks while it is read is RANGE_INVALID', async () => {
    const double = await start({
      fault: ({ verb, path }, { files }) => {
        const file = files.get(path);
        if (verb === 'READ' && file !== undefined) file.bytes = file.bytes.subarray(0, 40_000);
        return undefined;
      },
    });
    const backend = open(double);
    await backend.put('a', randomBytes(100_000), { mode: 'create' });
    await expect(backend.get('a')).rejects.toMatchObject({ code: 'RANGE_INVALID', context: { key: 'a' } });
  });

  test.each([
    ['no room', { status: 4, message: 'write: No space left on device' }, 'OUT_OF_SPACE', 'never'],
    ['a quota', { status: 4, message: 'Disk quota exceeded' }, 'OUT_OF_SPACE', 'never'],
    ['no permission', { status: 3 }, 'PERMISSION_DENIED', 'never'],
    ['no reason', { status: 4 }, 'UNAVAILABLE', 'never'],
    ['a request that is unknown there', { status: 8 }, 'UNSUPPORTED', 'never'],
    ['the end of the connection', 'cut', 'UNAVAILABLE', 'safe'],
    ['no answer', 'silence', 'UNAVAILABLE', 'safe'],
  ] as const)('a write that meets %s', async (_, fault, code, retry) => {
    const double = await start({ fault: ({ verb }) => (verb === 'WRITE' ? fault : undefined) });
    const backend = open(double, { idleTimeoutMs: 300 });
    const error: unknown = await backend
      .put('a', randomBytes(100_000), { mode: 'create' })
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, retry, context: { key: 'a' } });
    expect(await keysOf(backend.list(''))).toEqual([]);
    if (typeof fault === 'object') expect(temporaries(double)).toEqual([]);
  });

  test('a temporary file that is taken away is written again', async () => {
    let taken = 0;
    const double = await start({
      fault: ({ verb, path }, { files }) => {
        if (verb === 'RENAME' && (taken += 1) === 1) files.delete(path);
        return undefined;
      },
    });
    const backend = open(double);
    const body = randomBytes(1_000);
    await backend.put('a', body, { mode: 'create' });
    expect(areSame(await backend.get('a'), body)).toBe(true);
    expect(taken).toBe(2);
  });

  test('what a lost connection left behind is removed by the next put', async () => {
    let writes = 0;
    const double = await start({
      fault: ({ verb }) => (verb === 'WRITE' && (writes += 1) === 1 ? 'cut' : undefined),
    });
    const backend = open(double);
    await expect(backend.put('a', randomBytes(100), { mode: 'create' })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(temporaries(double).length).toBe(1);
    await backend.put('a', randomBytes(100), { mode: 'create' });
    expect(temporaries(double)).toEqual([]);
  });

  test('the local store can tell that a temporary file is not its own', async () => {
    const double = await start();
    await open(double).put('a', randomBytes(10), { mode: 'create' });
    const opened = double.requests.find(({ verb, path }) => verb === 'OPEN' && path.includes('/.~tmp/'));
    const owner = ownerOf(opened?.path.split('/').at(-1) ?? '');
    expect(owner).toMatchObject({ pid: process.pid, start: 0 });
  });

  test('a create whose answer is lost is UNAVAILABLE and safe, and its object is whole', async () => {
    const double = await start({ fault: ({ verb }) => (verb === 'RENAME' ? 'cut after' : undefined) });
    const backend = open(double);
    const body = randomBytes(100_000);
    const put = backend.put('a', body, { mode: 'create' });
    await expect(put).rejects.toMatchObject({ code: 'UNAVAILABLE', retry: 'safe', context: { key: 'a' } });
    expect(areSame(await backend.get('a'), body)).toBe(true);
  });
});

describe('aborted calls', () => {
  test('a put that is aborted while the server is silent rejects at once, and is not published later', async () => {
    const controller = new AbortController();
    const reason = new Error('the caller changed its mind');
    const double = await start({
      fault: ({ verb }) => {
        if (verb !== 'WRITE') return undefined;
        controller.abort(reason);
        return 'silence';
      },
    });
    const backend = open(double, { idleTimeoutMs: 300 });
    const put = backend.put('a', randomBytes(100), { mode: 'create', signal: controller.signal });
    await expect(put).rejects.toBe(reason);
    await backend[Symbol.asyncDispose]();
    expect(double.requests.some(({ verb }) => verb === 'RENAME')).toBe(false);
  });

  test('a put that is aborted removes its temporary file before the store is closed', async () => {
    const controller = new AbortController();
    const double = await start({
      fault: ({ verb }) => {
        if (verb === 'WRITE') controller.abort(new Error('the caller changed its mind'));
        return undefined;
      },
    });
    const backend = open(double);
    const put = backend.put('a', randomBytes(500_000), { mode: 'create', signal: controller.signal });
    await expect(put).rejects.toThrow('the caller changed its mind');
    await backend[Symbol.asyncDispose]();
    expect([...double.files.keys()]).toEqual([]);
  });
});

describe('connections', () => {
  test('large objects that are moved at the same time get connections of their own, small ones share', async () => {
    const double = await start();
    const backend = open(double, { connections: 3 });
    const small = Array.from({ length: 8 }, async (_, index) =>
      backend.put(`small/${index}`, randomBytes(1_000), { mode: 'create' }),
    );
    await Promise.all(small);
    expect(double.connections).toBe(1);
    const large = Array.from({ length: 8 }, async (_, index) =>
      backend.put(`large/${index}`, randomBytes(1024 * 1024), { mode: 'create' }),
    );
    await Promise.all(large);
    expect(double.connections).toBe(3);
    expect((await keysOf(backend.list(''))).length).toBe(16);
  });

  test('a server that takes fewer connections than allowed is used with those that it takes', async () => {
    const double = await start({ maxConnections: 2 });
    const backend = open(double, { connections: 4 });
    const bodies = Array.from({ length: 8 }, () => randomBytes(1024 * 1024));
    await Promise.all(bodies.map(async (body, index) => backend.put(`a/${index}`, body, { mode: 'create' })));
    expect(double.connections).toBe(2);
    for (const [index, body] of bodies.entries()) expect(areSame(await backend.get(`a/${index}`), body)).toBe(true);
  });

  test('a connection that is lost between two calls is replaced', async () => {
    const double = await start();
    const backend = open(double);
    const body = randomBytes(1_000);
    await backend.put('a', body, { mode: 'create' });
    for (let round = 0; round < 3; round += 1) {
      double.cut();
      const first: unknown = await backend.get('a').catch((error: unknown) => error);
      // The end of the connection may arrive before or after the call.
      if (first instanceof Error) expect(first).toMatchObject({ code: 'UNAVAILABLE', retry: 'safe' });
      expect(areSame(await backend.get('a'), body)).toBe(true);
    }
  });

  test('a session that ends while its connection lives fails what is asked, and is replaced', async () => {
    const double = await start({ fault: ({ path }) => (path.endsWith('/slow') ? 'silence' : undefined) });
    const backend = open(double);
    const body = randomBytes(1_000);
    await backend.put('a', body, { mode: 'create' });
    const slow = expect(backend.stat('slow')).rejects.toMatchObject({ code: 'UNAVAILABLE', retry: 'safe' });
    await backend.stat('a');
    double.endSessions();
    await slow;
    expect(areSame(await backend.get('a'), body)).toBe(true);
    expect(double.connections).toBe(2);
    // The same while nothing is asked. Whether the end arrives before or after the next call, that must not wait for ever.
    await backend.stat('a');
    double.endSessions();
    for (let turn = 0; turn < 500; turn += 1) await nextTurn();
    await backend.get('a').catch(() => undefined);
    expect(areSame(await backend.get('a'), body)).toBe(true);
    expect(double.connections).toBe(3);
  });

  test('calls after disposal are CLOSED, those that run end, and it can be repeated', async () => {
    const double = await start({ fault: ({ verb }) => (verb === 'STAT' ? 'silence' : undefined) });
    const backend = open(double);
    const running = expect(backend.stat('a')).rejects.toMatchObject({ code: 'CLOSED', context: { key: 'a' } });
    await Promise.all([backend[Symbol.asyncDispose](), backend[Symbol.asyncDispose]()]);
    await running;
    await expect(backend.get('a')).rejects.toMatchObject({ code: 'CLOSED' });
    await backend[Symbol.asyncDispose]();
  });
});
