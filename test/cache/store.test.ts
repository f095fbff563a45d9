/** Where cached objects are kept. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { defaultCacheFolder } from '../../src/cache/folder.ts';
import { FolderStore, MemoryStore } from '../../src/cache/store.ts';
import { bytes } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';

const MIB = 1 << 20;

function filesOf(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

for (const [name, make] of Object.entries({
  folder: () => new FolderStore(temporaryFolder(), MIB),
  memory: () => new MemoryStore(MIB),
})) {
  test(`a ${name} gives back what was put, until it is deleted`, async () => {
    const store = make();
    expect(await store.get('index/a.idx')).toBeUndefined();
    for (const size of [0, 1, 1_000]) {
      await store.put('index/a.idx', bytes(size, size));
      expect(await store.get('index/a.idx')).toEqual(new Uint8Array(bytes(size, size)));
    }
    await store.put('gc/1.condemn.a', bytes(1, 10));
    expect(await store.keys('index/')).toEqual(['index/a.idx']);
    expect(await store.keys('keys/')).toEqual([]);
    await store.delete(['index/a.idx', 'index/none.idx']);
    expect(await store.get('index/a.idx')).toBeUndefined();
    expect(await store.keys('index/')).toEqual([]);
    expect(await store.get('gc/1.condemn.a')).toEqual(new Uint8Array(bytes(1, 10)));
  });

  test(`what a ${name} takes and gives is the caller's to change`, async () => {
    const store = make();
    const body = new Uint8Array(bytes(1, 100));
    await store.put('index/a.idx', body);
    body.fill(0);
    (await store.get('index/a.idx'))?.fill(0);
    expect(await store.get('index/a.idx')).toEqual(new Uint8Array(bytes(1, 100)));
  });
}

for (const [damage, change] of Object.entries({
  'one bit flipped': (stored: Buffer) =>
    Buffer.concat([stored.subarray(0, 50), Buffer.from([(stored[50] ?? 0) ^ 1]), stored.subarray(51)]),
  'its end cut': (stored: Buffer) => stored.subarray(0, -1),
  'nothing left': () => Buffer.alloc(0),
  'only zeros': (stored: Buffer) => Buffer.alloc(stored.byteLength),
})) {
  test(`a file with ${damage} is absent, and goes away`, async () => {
    const folder = temporaryFolder();
    const store = new FolderStore(folder, MIB);
    await store.put('index/a.idx', bytes(1, 1_000));
    const path = join(folder, 'index/a.idx');
    writeFileSync(path, change(readFileSync(path)));
    expect(await store.get('index/a.idx')).toBeUndefined();
    expect(filesOf(folder)).toEqual([]);
  });
}

test('a folder is readable for its owner only', async () => {
  const folder = join(temporaryFolder(), 'cache');
  const store = new FolderStore(folder, MIB);
  await store.put('keys/a.a', bytes(1, 10));
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(join(folder, 'keys/a.a')).mode & 0o777).toBe(0o600);
});

test('a folder that vanishes, or that can never be made, is an empty cache', async () => {
  const folder = temporaryFolder();
  const store = new FolderStore(join(folder, 'cache'), MIB);
  await store.put('index/a.idx', bytes(1, 10));
  rmSync(join(folder, 'cache'), { recursive: true });
  expect(await store.get('index/a.idx')).toBeUndefined();
  expect(await store.keys('index/')).toEqual([]);
  await store.delete(['index/a.idx']);
  await store.put('index/a.idx', bytes(2, 10));
  expect(await store.get('index/a.idx')).toEqual(new Uint8Array(bytes(2, 10)));
  writeFileSync(join(folder, 'file'), '');
  const none = new FolderStore(join(folder, 'file'), MIB);
  await none.put('index/a.idx', bytes(1, 10));
  expect(await none.get('index/a.idx')).toBeUndefined();
});

test('a folder stays within its bound and an eighth, and what was used last stays', async () => {
  const folder = temporaryFolder();
  const [bound, size, hash] = [80_000, 5_000, 32];
  const store = new FolderStore(folder, bound);
  for (let number = 0; number < 40; number += 1) {
    const key = `index/${String(number).padStart(2, '0')}.idx`;
    await store.put(key, bytes(number, size));
    // Each a second later than the one before, whatever the clock of the file system can tell apart.
    utimesSync(join(folder, key), number, number);
    await store.get('index/00.idx');
    const used = filesOf(folder).reduce((sum, path) => sum + statSync(path).size, 0);
    expect(used).toBeLessThanOrEqual(bound + bound / 8 + size + hash);
  }
  expect(await store.get('index/00.idx')).toEqual(new Uint8Array(bytes(0, size)));
  expect(await store.get('index/01.idx')).toBeUndefined();
  expect(await store.get('index/39.idx')).toEqual(new Uint8Array(bytes(39, size)));
});

test('what short processes put is bounded, too, and what one left half written goes away', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'index'));
  const old = join(folder, 'index/a.idx.0123456789ab.~part');
  const young = join(folder, 'index/b.idx.0123456789ab.~part');
  for (const path of [old, young]) writeFileSync(path, bytes(1, 100));
  utimesSync(old, 1, 1);
  for (let number = 0; number < 30; number += 1) {
    await new FolderStore(folder, 20_000).put(`gc/${number}.condemn.a`, bytes(number, 1_000));
  }
  expect(filesOf(folder)).not.toContain(old);
  expect(filesOf(folder).reduce((sum, path) => sum + statSync(path).size, 0)).toBeLessThanOrEqual(20_000);
  expect(await new FolderStore(folder, 20_000).keys('index/')).toEqual([]);
});

test('memory stays within its bound', async () => {
  const store = new MemoryStore(10_000);
  for (let number = 0; number < 30; number += 1) await store.put(`index/${number}.idx`, bytes(number, 1_000));
  expect(await store.keys('index/')).toHaveLength(10);
  expect(await store.get('index/29.idx')).toEqual(new Uint8Array(bytes(29, 1_000)));
});

test('the default folder is where the platform wants caches', () => {
  expect(defaultCacheFolder({ XDG_CACHE_HOME: '/x/c' }, 'linux')).toBe('/x/c/packvault');
  expect(defaultCacheFolder({}, 'linux')).toMatch(/.\/\.cache\/packvault$/);
  // A path that is not absolute does not count.
  expect(defaultCacheFolder({ XDG_CACHE_HOME: 'x' }, 'linux')).toBe(defaultCacheFolder({}, 'linux'));
  expect(defaultCacheFolder({ XDG_CACHE_HOME: '' }, 'linux')).toBe(defaultCacheFolder({}, 'linux'));
  expect(defaultCacheFolder({ XDG_CACHE_HOME: '/x' }, 'darwin')).toMatch(/Library\/Caches\/packvault$/);
  expect(defaultCacheFolder({ LOCALAPPDATA: '/l' }, 'win32')).toBe(join('/l', 'packvault', 'cache'));
  expect(defaultCacheFolder({}, 'win32')).toMatch(/AppData.Local.packvault.cache$/);
});
