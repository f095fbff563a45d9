/** The local store in folders as people have them. */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalBackend } from '../../src/backends/local/index.ts';
import { self, temporaryName } from '../../src/backends/local/owner.ts';
import { bytesOf, keysOf } from '../../src/testing/expect.ts';

const BODY = bytesOf(1, 100_000);
const DAY_MS = 86_400_000;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'packvault-local-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'ok',
    (error: { code: unknown }) => error.code,
  );
}

test('a folder that does not exist is an empty store, and the first put makes it', async () => {
  const path = join(folder, 'a b', 'ü', '🗄');
  const store = new LocalBackend(path);
  expect(await keysOf(store.list(''))).toEqual([]);
  expect(await codeOf(store.get('a'))).toBe('NOT_FOUND');
  expect(await codeOf(store.delete(['a']))).toBe('ok');
  expect(await readdir(folder)).toEqual([]);
  await store.put('packs/a', BODY, { mode: 'create' });
  expect(await keysOf(new LocalBackend(path).list(''))).toEqual(['packs/a']);
});

test('a folder that vanishes while in use is not made again', async () => {
  const path = join(folder, 'disk');
  const store = new LocalBackend(path);
  await store.put('packs/a', BODY, { mode: 'create' });
  await rename(path, join(folder, 'unmounted'));
  await expect(store.put('packs/b', BODY, { mode: 'create' })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    retry: 'never',
  });
  expect(await readdir(folder)).toEqual(['unmounted']);
});

test('a file in the place of the folder is UNSUPPORTED, and is kept', async () => {
  const path = join(folder, 'file');
  await writeFile(path, 'mine');
  const store = new LocalBackend(path);
  expect(await codeOf(store.put('a', BODY, { mode: 'create' }))).toBe('UNSUPPORTED');
  expect((await stat(path)).size).toBe(4);
});

test('what others keep in the folder is neither listed nor in the way', async () => {
  for (const name of ['lost+found', 'Über uns', 'UPPER']) await mkdir(join(folder, name));
  for (const name of ['.DS_Store', 'Thumbs.db', 'a~', 'UPPER/a', 'x'.repeat(201)])
    await writeFile(join(folder, name), '');
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  await symlink(folder, join(folder, 'loop'));
  await symlink(join(folder, 'nowhere'), join(folder, 'dangling'));
  const store = new LocalBackend(folder);
  await store.put('a', BODY, { mode: 'create' });
  const keys = await keysOf(store.list(''));
  expect(keys.filter((key) => !key.startsWith('loop/'))).toEqual(['a']);
  expect(await codeOf(store.get('pipe'))).toBe('NOT_FOUND');
  expect(await codeOf(store.stat('dangling'))).toBe('NOT_FOUND');
  expect(await codeOf(store.put('dangling', BODY, { mode: 'create' }))).toBe('ALREADY_EXISTS');
});

/** Of the root, a folder and an object in it. */
async function modesOf(path: string): Promise<string[]> {
  return Promise.all(
    ['', 'packs', 'packs/a'].map(async (name) => ((await stat(join(path, name))).mode & 0o777).toString(8)),
  );
}

test('files and folders are for their owner only, unless told otherwise', async () => {
  await new LocalBackend(join(folder, 'one')).put('packs/a', BODY, { mode: 'create' });
  expect(await modesOf(join(folder, 'one'))).toEqual(['700', '700', '600']);
  const open = { path: join(folder, 'two'), fileMode: 0o640, directoryMode: 0o750 };
  await new LocalBackend(open).put('packs/a', BODY, { mode: 'create' });
  expect(await modesOf(join(folder, 'two'))).toEqual(['750', '750', '640']);
});

test('a path that cannot be one is INVALID_ARGUMENT', () => {
  for (const path of ['', 'a\0b', undefined as unknown as string]) {
    expect(() => new LocalBackend({ path })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  }
});

test('the first put removes what dead processes left, and nothing else', async () => {
  const us = await self();
  const child = execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' });
  const name = (owner: Partial<typeof us>): string => temporaryName({ ...us, ...owner }, 'abcdef0123456789');
  const dead = name({ pid: Number(child) });
  // The number of a process is given again; when it started tells them apart, where the system tells that.
  const reused = name({ start: us.start + 1 });
  const ours = name({});
  const elsewhere = name({ host: '0123456789abcdef', start: 1 });
  const elsewhereLongAgo = name({ host: '0123456789abcdef', start: 2 });
  const temporaries = join(folder, '.~tmp');
  await mkdir(temporaries);
  for (const file of [dead, reused, ours, elsewhere, elsewhereLongAgo, 'notes.txt']) {
    await writeFile(join(temporaries, file), 'half an obj');
  }
  const longAgo = new Date(Date.now() - 2 * DAY_MS);
  await utimes(join(temporaries, elsewhereLongAgo), longAgo, longAgo);
  await new LocalBackend(folder).put('a', BODY, { mode: 'create' });
  const kept = [ours, elsewhere, 'notes.txt', ...(us.start === 0 ? [reused] : [])];
  expect((await readdir(temporaries)).toSorted()).toEqual(kept.toSorted());
});

/** A disk of 4 MiB, or undefined where this process may not mount one. */
function mountSmallDisk(path: string): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('on a disk of its own', () => {
  let disk: string;
  let isMounted: boolean;

  beforeEach(async () => {
    disk = join(folder, 'disk');
    await mkdir(disk);
    isMounted = mountSmallDisk(disk);
  });

  afterEach(() => {
    if (isMounted) execFileSync('umount', [disk]);
  });

  test('a read-only folder is PERMISSION_DENIED for writers; readers read', async () => {
    await new LocalBackend(disk).put('packs/a', BODY, { mode: 'create' });
    if (isMounted) execFileSync('mount', ['-o', 'remount,ro', disk]);
    else for (const name of ['packs', '.~tmp', '']) await chmod(join(disk, name), 0o500);
    const store = new LocalBackend(disk);
    try {
      // Root may do all on a file system that it cannot mount for reading only.
      const denied = isMounted || process.getuid?.() !== 0 ? 'PERMISSION_DENIED' : 'ok';
      expect(await codeOf(store.put('packs/b', BODY, { mode: 'create' }))).toBe(denied);
      expect(await codeOf(store.put('index/b', BODY, { mode: 'overwrite' }))).toBe(denied);
      expect(await store.get('packs/a')).toEqual(BODY);
      expect((await keysOf(store.list('')))[0]).toBe(denied === 'ok' ? 'index/b' : 'packs/a');
      expect(await codeOf(store.delete(['packs/a']))).toBe(denied);
    } finally {
      if (isMounted) execFileSync('mount', ['-o', 'remount,rw', disk]);
      else for (const name of ['', 'packs', '.~tmp']) await chmod(join(disk, name), 0o700);
    }
  });

  test('a full disk is OUT_OF_SPACE; what was there stays, and a delete makes room', async () => {
    const store = new LocalBackend(disk);
    const stored: string[] = [];
    let outcome: unknown = 'ok';
    for (let number = 10; outcome === 'ok' && number < 18; number += 1) {
      const key = `packs/${number}`;
      // Without a small disk there is room: then the last put is one that cannot fit.
      outcome = await codeOf(store.put(key, bytesOf(number, 700_000), { mode: 'create' }));
      if (outcome === 'ok') stored.push(key);
    }
    expect(outcome).toBe(isMounted ? 'OUT_OF_SPACE' : 'ok');
    expect(await keysOf(store.list(''))).toEqual(stored);
    for (const key of stored) expect(await store.get(key)).toEqual(bytesOf(Number(key.slice(6)), 700_000));
    expect(await readdir(join(disk, '.~tmp'))).toEqual([]);
    await store.delete(stored.slice(0, 2));
    expect(await codeOf(store.put('packs/new', bytesOf(1, 700_000), { mode: 'create' }))).toBe('ok');
  });
});
