/** Lies about several instances, and about signals. */
import type { StorageBackend } from '../../../src/core/backend.ts';
import { isKey, type Lie, lie, lieAbout, refuse, turn } from './lie.ts';

export const SECRET = 'swordfish';

/** Instances of every place: for a store that mixes places up. */
const everywhere = new Set<StorageBackend>();

const instances: readonly Lie[] = [
  lie(
    'a second instance sees a put, an overwrite and a delete at once',
    'an instance believes what it has read',
    (honest) => {
      const read = new Map<string, Uint8Array>();
      return {
        async put(key, body, options) {
          read.delete(key);
          await honest.put(key, body, options);
        },
        async delete(keys, options) {
          for (const key of keys) read.delete(key);
          await honest.delete(keys, options);
        },
        async get(key, options) {
          if (options !== undefined) return honest.get(key, options);
          const bytes = read.get(key) ?? (await honest.get(key));
          read.set(key, bytes);
          return bytes.slice();
        },
      };
    },
  ),
  lieAbout(
    'an instance may make the first folder, and another use it',
    'a folder that is being made is in the way',
    () => {
      const makers = new Map<string, StorageBackend>();
      return (honest) => ({
        async put(key, body, options) {
          if (!isKey(key)) return honest.put(key, body, options);
          const folder = key.slice(0, Math.max(key.lastIndexOf('/'), 0));
          const maker = makers.get(folder);
          if (folder.startsWith('new/') && maker !== undefined && maker !== honest) throw refuse('UNAVAILABLE', key);
          makers.set(folder, honest);
          await turn();
          await honest.put(key, body, options);
          return void makers.delete(folder);
        },
      });
    },
  ),
  lie('places do not see each other', 'a delete is done in every place', (honest) => {
    everywhere.add(honest);
    return {
      async delete(keys, options) {
        for (const place of everywhere) await place.delete(keys, options);
      },
      async [Symbol.asyncDispose]() {
        everywhere.delete(honest);
      },
    };
  }),
  lie('disposal can be repeated, and leaves objects and other instances as they are', 'a second disposal fails', () => {
    let isDisposed = false;
    return {
      async [Symbol.asyncDispose]() {
        if (isDisposed) throw refuse('CLOSED');
        isDisposed = true;
      },
    };
  }),
  lieAbout(
    'disposal can be repeated, and leaves objects and other instances as they are',
    'instances share a connection',
    () => {
      const state = { isOpen: true };
      return (honest) => ({
        async get(key, options) {
          if (!state.isOpen) throw refuse('CLOSED', key);
          return honest.get(key, options);
        },
        async [Symbol.asyncDispose]() {
          state.isOpen = false;
        },
      });
    },
  ),
  lie('location and capabilities make sense', 'the location holds the login', ({ location }) => ({
    location: `${location}?key=${SECRET}`,
  })),
  lie(
    'no error of a healthy store tells a secret',
    'the cause of an error holds the request with its headers',
    (honest) => ({
      async put(key, body, options) {
        try {
          await honest.put(key, body, options);
        } catch (error) {
          const cause = { request: { headers: { authorization: `Basic ${SECRET}` } } };
          if (error instanceof Error) Object.defineProperty(error, 'cause', { value: cause });
          throw error;
        }
      },
    }),
  ),
];

const aborts: readonly Lie[] = [
  lie(
    'put with an aborted signal rejects with its reason, and the store is not asked',
    'put ignores its signal',
    (honest) => ({
      async put(key, body, options) {
        await honest.put(key, body, { ...options, signal: undefined });
      },
    }),
  ),
  lie(
    'get with an aborted signal rejects with its reason, and the store is not asked',
    'get ignores its signal',
    (honest) => ({
      async get(key, options) {
        return honest.get(key, { ...options, signal: undefined });
      },
    }),
  ),
  lie(
    'stat with an aborted signal rejects with its reason, and the store is not asked',
    'the reason is another',
    (honest) => ({
      async stat(key, options) {
        if (options?.signal?.aborted === true) throw new DOMException('This operation was aborted', 'AbortError');
        return honest.stat(key, options);
      },
    }),
  ),
  lie(
    'list with an aborted signal rejects with its reason, and the store is not asked',
    'a signal counts from the first object',
    (honest) => ({
      list: (prefix, options) =>
        honest.list(prefix, options?.signal?.aborted === true ? { ...options, signal: undefined } : options),
    }),
  ),
  lie(
    'delete with an aborted signal rejects with its reason, and the store is not asked',
    'delete looks at its signal too late',
    (honest) => ({
      async delete(keys, options) {
        await honest.delete(keys);
        options?.signal?.throwIfAborted();
      },
    }),
  ),
  lie(
    'a get that is aborted on its way gives the whole object or the reason',
    'an aborted get gives what has come',
    (honest) => ({
      async get(key, options) {
        const bytes = await honest.get(key, options);
        await turn();
        return options?.signal?.aborted === true ? bytes.subarray(0, 1_000) : bytes;
      },
    }),
  ),
  lie('a listing that is aborted ends with the reason', 'a listing goes on to the end of its page', (honest) => ({
    async *list(prefix, options) {
      options?.signal?.throwIfAborted();
      yield* honest.list(prefix, { ...options, signal: undefined });
    },
  })),
  lie(
    'a signal that aborts after its call changes nothing',
    'the signal of a call ends its connection later',
    (honest) => {
      const state = { isOpen: true };
      return {
        async stat(key, options) {
          const info = await honest.stat(key, options);
          options?.signal?.addEventListener('abort', () => {
            state.isOpen = false;
          });
          return info;
        },
        async get(key, options) {
          if (!state.isOpen) throw refuse('UNAVAILABLE', key);
          return honest.get(key, options);
        },
      };
    },
  ),
  lie(
    'an aborted call does not disturb the others of its instance',
    'an abort cuts the connection that all calls share',
    (honest) => {
      let cuts = 0;
      return {
        async get(key, options) {
          const before = cuts;
          options?.signal?.addEventListener('abort', () => (cuts += 1));
          const bytes = await honest.get(key, options);
          await turn();
          if (cuts > before && options?.signal === undefined) throw refuse('UNAVAILABLE', key);
          return bytes;
        },
      };
    },
  ),
];

export const instanceLies: readonly Lie[] = [...instances, ...aborts];
