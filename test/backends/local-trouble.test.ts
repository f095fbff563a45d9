/** The local store when the operating system refuses. */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalBackend } from '../../src/backends/local/index.ts';
import { areSame, bytesOf, contentOf, keysOf } from '../../src/testing/expect.ts';
import { quarrelsome, recording, refusing, refusingNth, systemError } from './quarrelsome-file-system.ts';

const OLD = bytesOf(1, 1_000);
const NEW = bytesOf(2, 100_000);
// More than is written at once.
const LARGE = bytesOf(3, 9_000_000);
const WRITING = ['mkdir', 'open', 'write', 'sync', 'link', 'rename'];

let path: string;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'packvault-local-'));
});

afterEach(async () => {
  await rm(path, { recursive: true });
});

async function temporaries(): Promise<string[]> {
  return readdir(join(path, '.~tmp')).catch(() => []);
}

/** Which object is there. */
async function nameOf(store: LocalBackend, key: string): Promise<string> {
  const bytes = await contentOf(store, key);
  if (bytes === undefined) return 'none';
  if (areSame(bytes, OLD)) return 'old';
  return areSame(bytes, NEW) ? 'new' : 'another';
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'ok',
    (error: { code: unknown }) => error.code,
  );
}

describe.each([
  ['ENOSPC', 'OUT_OF_SPACE'],
  ['EDQUOT', 'OUT_OF_SPACE'],
  ['EACCES', 'PERMISSION_DENIED'],
  ['EROFS', 'PERMISSION_DENIED'],
  ['EIO', 'UNAVAILABLE'],
] as const)('%s at any call of a put', (errno, code) => {
  // A link that may not be made is taken for one that cannot be made, and an unreadable folder for one that cannot be synced.
  const tolerated = errno === 'EACCES';

  test.each(['create', 'overwrite'] as const)(
    '%s: nothing is lost, nothing half-done is left, and it can be repeated',
    async (mode) => {
      let refusals = 0;
      for (let nth = 1; ; nth += 1) {
        const { fileSystem, met } = refusingNth(nth, errno, WRITING);
        const store = new LocalBackend({ path, fileSystem });
        const honest = new LocalBackend(path);
        const key = `packs/${nth}/a`;
        await honest.put('kept', OLD, { mode: 'overwrite' });
        if (mode === 'overwrite') await honest.put(key, OLD, { mode: 'create' });
        const outcome = await codeOf(store.put(key, NEW, { mode }));
        if (!met()) break;
        refusals += 1;
        expect(tolerated ? [code, 'ok'] : [code], `call ${nth}`).toContain(outcome);
        const allowed = outcome === 'ok' ? ['new'] : ['new', mode === 'overwrite' ? 'old' : 'none'];
        expect(allowed).toContain(await nameOf(honest, key));
        expect(await nameOf(honest, 'kept')).toBe('old');
        expect(await temporaries()).toEqual([]);
        expect(['ok', 'ALREADY_EXISTS']).toContain(await codeOf(store.put(key, NEW, { mode })));
        expect(await nameOf(honest, key)).toBe('new');
      }
      expect(refusals).toBeGreaterThan(6);
    },
  );
});

test.each([
  ['ENOSPC', 'OUT_OF_SPACE', 'never'],
  ['EACCES', 'PERMISSION_DENIED', 'never'],
  ['EROFS', 'PERMISSION_DENIED', 'never'],
  ['EIO', 'UNAVAILABLE', 'safe'],
  ['EMFILE', 'UNAVAILABLE', 'safe'],
  ['ESTALE', 'UNAVAILABLE', 'safe'],
  ['ENAMETOOLONG', 'UNSUPPORTED', 'never'],
  ['ENODEV', 'UNAVAILABLE', 'never'],
  ['EWHATEVER', 'UNAVAILABLE', 'never'],
] as const)('%s is %s, to be repeated: %s; it names key, place and cause', async (errno, code, retry) => {
  const store = new LocalBackend({ path, fileSystem: refusing(errno, ['open', 'readdir', 'stat', 'unlink']) });
  const expected = { code, retry, context: { errno, location: path }, cause: { code: errno } };
  const named = { ...expected, context: { ...expected.context, key: 'a' } };
  await expect(store.put('a', OLD, { mode: 'create' })).rejects.toMatchObject(named);
  await expect(store.get('a')).rejects.toMatchObject(named);
  await expect(store.stat('a')).rejects.toMatchObject(named);
  await expect(store.delete(['a'])).rejects.toMatchObject(named);
  await expect(keysOf(store.list(''))).rejects.toMatchObject(expected);
});

test('a put is on the disk before it has its name, and its name before it resolves', async () => {
  const { fileSystem, calls } = recording();
  const store = new LocalBackend({ path, fileSystem });
  await store.put('first', OLD, { mode: 'create' });
  calls.length = 0;
  const folder = path.split('/').at(-1);
  const written = ['open ~', 'write ~', 'sync ~', 'close ~'];
  const synced = [`open ${folder}`, `sync ${folder}`, `close ${folder}`];
  await store.put('a', OLD, { mode: 'create' });
  expect(calls).toEqual([...written, 'link a', 'unlink ~', ...synced]);
  calls.length = 0;
  await store.put('a', NEW.subarray(0, 100), { mode: 'overwrite' });
  expect(calls).toEqual([...written, 'rename a', 'unlink ~', ...synced]);
});

test('a new folder’s name is on the disk before an object in it is', async () => {
  const { fileSystem, calls } = recording();
  await new LocalBackend({ path, fileSystem }).put('packs/data/a', OLD, { mode: 'create' });
  const order = ['mkdir packs', `sync ${path.split('/').at(-1)}`, 'mkdir data', 'sync packs', 'link a', 'sync data'];
  expect(calls.filter((call) => order.includes(call) && !call.startsWith('stat'))).toEqual([
    ...order.slice(0, 4),
    // For the folder of temporary files.
    order[1],
    ...order.slice(4),
  ]);
});

test('an object that a create meets is on the disk under its name before the create says so', async () => {
  await new LocalBackend({ path, fsync: false }).put('a', OLD, { mode: 'create' });
  const { fileSystem, calls } = recording();
  const store = new LocalBackend({ path, fileSystem });
  expect(await codeOf(store.put('a', NEW, { mode: 'create' }))).toBe('ALREADY_EXISTS');
  const folder = path.split('/').at(-1);
  expect(calls.slice(calls.indexOf('link a'))).toContain(`sync ${folder}`);
});

test('without fsync nothing is synced, and puts are not durable', async () => {
  const { fileSystem, calls } = recording();
  const store = new LocalBackend({ path, fsync: false, fileSystem });
  await store.put('packs/a', OLD, { mode: 'create' });
  expect(calls.filter((call) => call.startsWith('sync'))).toEqual([]);
  expect([store.capabilities.durablePut, new LocalBackend(path).capabilities.durablePut]).toEqual([false, true]);
});

test('where folders cannot be synced, puts succeed and are not called durable', async () => {
  const fileSystem = quarrelsome((call) =>
    call.name === 'sync' && !call.path.includes('.~tmp/') ? Promise.reject(systemError('EINVAL', call)) : undefined,
  );
  const store = new LocalBackend({ path, fileSystem });
  await store.put('a', OLD, { mode: 'create' });
  expect(await nameOf(store, 'a')).toBe('old');
  expect(store.capabilities.durablePut).toBe(false);
});

test('a link that was made although its answer says otherwise is a success', async () => {
  const fileSystem = quarrelsome((call, real) =>
    call.name === 'link' ? real().then(() => Promise.reject(systemError('EEXIST', call))) : undefined,
  );
  const store = new LocalBackend({ path, fileSystem });
  await store.put('a', OLD, { mode: 'create' });
  expect(await nameOf(store, 'a')).toBe('old');
  expect(await codeOf(store.put('a', NEW, { mode: 'create' }))).toBe('ALREADY_EXISTS');
  expect(await temporaries()).toEqual([]);
});

test('an object that is deleted just after a create met it was there', async () => {
  const fileSystem = quarrelsome((call, real) =>
    call.name !== 'link'
      ? undefined
      : real().catch(async (error: unknown) => {
          await rm(call.path);
          throw error;
        }),
  );
  await new LocalBackend(path).put('a', OLD, { mode: 'create' });
  const store = new LocalBackend({ path, fileSystem });
  expect(await codeOf(store.put('a', NEW, { mode: 'create' }))).toBe('ALREADY_EXISTS');
});

test('a folder in the place of an object is UNSUPPORTED, and is kept', async () => {
  await mkdir(join(path, 'a', 'b'), { recursive: true });
  for (const fileSystem of [undefined, refusing('EPERM', ['link'])]) {
    const store = new LocalBackend({ path, ...(fileSystem && { fileSystem }) });
    for (const mode of ['create', 'overwrite'] as const) {
      expect(await codeOf(store.put('a', OLD, { mode }))).toBe('UNSUPPORTED');
    }
  }
  expect(await readdir(join(path, 'a'))).toEqual(['b']);
  expect(await temporaries()).toEqual([]);
});

test('a temporary file that is taken away is written again, once', async () => {
  let losses = 1;
  const fileSystem = quarrelsome((call, real) => {
    if (call.name !== 'link' || losses === 0) return undefined;
    losses -= 1;
    return rm(join(path, '.~tmp'), { recursive: true })
      .then(() => mkdir(join(path, '.~tmp')))
      .then(real);
  });
  const store = new LocalBackend({ path, fileSystem });
  await store.put('a', NEW, { mode: 'create' });
  expect(await nameOf(store, 'a')).toBe('new');
  losses = 2;
  await expect(store.put('b', NEW, { mode: 'create' })).rejects.toMatchObject({ code: 'UNAVAILABLE', retry: 'never' });
  expect(await codeOf(store.stat('b'))).toBe('NOT_FOUND');
});

test('a file that shrinks while it is read is RANGE_INVALID, not short', async () => {
  await new LocalBackend(path).put('a', OLD, { mode: 'create' });
  const fileSystem = quarrelsome((call) => (call.name === 'read' ? Promise.resolve({ bytesRead: 0 }) : undefined));
  expect(await codeOf(new LocalBackend({ path, fileSystem }).get('a'))).toBe('RANGE_INVALID');
});

test('a read that gives less than asked for goes on', async () => {
  await new LocalBackend(path).put('a', OLD, { mode: 'create' });
  const fileSystem = quarrelsome(() => undefined);
  const short: typeof fileSystem.open = async (...given) => {
    const handle = await fileSystem.open(...given);
    return new Proxy(handle, {
      get: (target, name) =>
        name === 'read'
          ? async (into: Uint8Array, offset: number, length: number, at: number) =>
              target.read(into, offset, Math.min(length, 7), at)
          : (Reflect.get(target, name, target) as unknown),
    });
  };
  expect(await new LocalBackend({ path, fileSystem: { ...fileSystem, open: short } }).get('a')).toEqual(OLD);
});

test('an aborted put leaves no temporary file', async () => {
  const controller = new AbortController();
  const fileSystem = quarrelsome((call, real) =>
    call.name === 'write' ? real().finally(() => controller.abort('enough')) : undefined,
  );
  const store = new LocalBackend({ path, fileSystem });
  await expect(store.put('a', LARGE, { mode: 'create', signal: controller.signal })).rejects.toBe('enough');
  expect([await temporaries(), await keysOf(store.list(''))]).toEqual([[], []]);
});
