/** Lies about keys and deletes. */
import type { StorageBackend } from '../../../src/core/backend.ts';
import { keysOf } from '../../../src/testing/expect.ts';
import { exists, isKey, type Lie, lie, refuse } from './lie.ts';

/** A lie of put: this key is refused, or stored under another. */
function lieOfName(fails: string, what: string, nameOf: (key: string) => string | undefined): Lie {
  return lie(fails, what, (honest) => ({
    async put(key, body, options) {
      const name = isKey(key) ? nameOf(key) : key;
      if (isKey(key) && name === undefined) throw refuse('UNSUPPORTED', key);
      await honest.put(name ?? key, body, options);
    },
  }));
}

async function isFolder(honest: StorageBackend, key: string): Promise<boolean> {
  return isKey(key) && (await keysOf(honest.list(`${key}/`))).length > 0;
}

async function deleteBelow(honest: StorageBackend, key: string): Promise<void> {
  if (isKey(`${key}/a`)) await honest.delete(await keysOf(honest.list(`${key}/`)));
}

const names: readonly Lie[] = [
  lieOfName('every character of keys is held', 'two underscores are reserved', (key) =>
    key.includes('__') ? undefined : key,
  ),
  lieOfName('keys of 200 bytes are held', 'a key has less than 200 bytes', (key) =>
    key.length === 200 ? undefined : key,
  ),
  lieOfName('segments that hold dots are held', 'two dots lead out', (key) =>
    key.startsWith('..a') ? undefined : key,
  ),
  lieOfName('segments that end in a dot are held', 'dots at the end of a segment are dropped', (key) =>
    key.replaceAll(/(?<=[a-z])\.+(?=\/|$)/g, ''),
  ),
  lieOfName('keys of which one begins the other are held', 'names of one letter three times are one', (key) =>
    key === 'aaa' ? 'aa' : key,
  ),
  lieOfName('keys that look like numbers or options are held', 'a number is a number', (key) =>
    /^\de\d$/.test(key) ? String(Number(key)) : key,
  ),
  lie('a key below another is kept beside it or UNSUPPORTED', 'a folder replaces the object of its name', (honest) => ({
    async put(key, body, options) {
      await honest.put(key, body, options);
      const parent = key.slice(0, Math.max(key.lastIndexOf('/'), 0));
      if (isKey(parent)) await honest.delete([parent]);
    },
  })),
  lie(
    'a key above another is kept beside it or UNSUPPORTED',
    'an object replaces the folder of its name',
    (honest) => ({
      async put(key, body, options) {
        await honest.put(key, body, options);
        await deleteBelow(honest, key);
      },
    }),
  ),
  lie(
    'put of what is no key is INVALID_ARGUMENT, and the store is not asked',
    'a put of what is no key is done',
    (honest) => ({
      async put(key, body, options) {
        await honest.put(isKey(key) ? key : 'odd', body, options);
      },
    }),
  ),
  lie(
    'get of what is no key is INVALID_ARGUMENT, and the store is not asked',
    'what is no key is just not there',
    (honest) => ({
      async get(key, options) {
        if (!isKey(key)) throw refuse('NOT_FOUND', key);
        return honest.get(key, options);
      },
    }),
  ),
  lie(
    'stat of what is no key is INVALID_ARGUMENT, and the store is not asked',
    'what is no key is just not there',
    (honest) => ({
      async stat(key, options) {
        if (!isKey(key)) throw refuse('NOT_FOUND', key);
        return honest.stat(key, options);
      },
    }),
  ),
  lie(
    'delete of what is no key is INVALID_ARGUMENT, and the store is not asked',
    'keys before the odd one are deleted',
    (honest) => ({
      async delete(keys, options) {
        const odd = keys.findIndex((key) => !isKey(key));
        if (odd > 0) await honest.delete(keys.slice(0, odd));
        await honest.delete(keys, options);
      },
    }),
  ),
];

const deletes: readonly Lie[] = [
  lie(
    'a deleted object is gone for get, stat and list, and only it',
    'what begins as the deleted one goes too',
    (honest) => ({
      async delete(keys, options) {
        await honest.delete(keys, options);
        if (keys[0] === 'a/b' && keys.length === 1) await honest.delete(['a/bc']);
      },
    }),
  ),
  lie('a delete of what is not there is fine', 'a delete in a missing folder fails', (honest) => ({
    async delete(keys, options) {
      const [folder] = /^.+\/.+(?=\/)/.exec(keys[0] ?? '') ?? [];
      if (keys.length === 3 && folder !== undefined && !(await isFolder(honest, folder))) throw refuse('NOT_FOUND');
      await honest.delete(keys, options);
    },
  })),
  lie(
    'a delete of a folder of keys is fine, and deletes none of them',
    'a delete of a folder deletes all that is in it',
    (honest) => ({
      async delete(keys, options) {
        for (const key of keys) if (isKey(key) && !(await exists(honest, key))) await deleteBelow(honest, key);
        await honest.delete(keys, options);
      },
    }),
  ),
  lie('a delete of no keys is fine', 'a delete of no keys is malformed', (honest) => ({
    async delete(keys, options) {
      if (keys.length === 0) throw refuse('INVALID_ARGUMENT');
      await honest.delete(keys, options);
    },
  })),
  lie('a delete may name a key twice', 'a key that is named twice is malformed', (honest) => ({
    async delete(keys, options) {
      if (new Set(keys).size < keys.length) throw refuse('INVALID_ARGUMENT');
      await honest.delete(keys, options);
    },
  })),
  lie(
    'a delete takes as many keys as maxDeleteBatch, and leaves the caller its list',
    'the last key of a full batch is forgotten',
    (honest) => ({
      async delete(keys, options) {
        const isFull = keys.length === honest.capabilities.maxDeleteBatch;
        await honest.delete(isFull ? keys.slice(0, -1) : keys, options);
      },
    }),
  ),
  lie(
    'a delete takes as many keys as maxDeleteBatch, and leaves the caller its list',
    'the caller’s list is sorted',
    (honest) => ({
      async delete(keys, options) {
        (keys as string[]).sort();
        await honest.delete(keys, options);
      },
    }),
  ),
  lie(
    'a delete of more keys than maxDeleteBatch is INVALID_ARGUMENT and deletes nothing',
    'too many keys are deleted in two steps',
    (honest) => ({
      async delete(keys, options) {
        const most = honest.capabilities.maxDeleteBatch;
        await honest.delete(keys.slice(0, most), options);
        if (keys.length > most) await honest.delete(keys.slice(most), options);
      },
    }),
  ),
];

export const keyLies: readonly Lie[] = [...names, ...deletes];
