/** Lies about what put stores, and when it shows. */
import { exists, type Lie, lie, lieAbout, OVERWRITE, refuse, sizeThere, turn } from './lie.ts';

const LARGE = 100_000;

/** And not one that only says so. */
function isLarge(body: Uint8Array): boolean {
  return body.byteLength > LARGE && body.buffer.byteLength >= body.byteLength;
}

function halfOf(body: Uint8Array): Uint8Array {
  return body.slice(0, body.byteLength / 2);
}

const creating: readonly Lie[] = [
  lie('an object that was created is read back', 'an object loses its last byte', (honest) => ({
    async put(key, body, options) {
      await honest.put(key, key === 'packs/data/0a/one' ? body.slice(0, -1) : body, options);
    },
  })),
  lie(
    'a create that meets an object is ALREADY_EXISTS, and the object is kept',
    'a longer body is created over a shorter object',
    (honest) => ({
      async put(key, body, options) {
        const size = await sizeThere(honest, key);
        const replaces = size > 0 && body.byteLength > size;
        await honest.put(key, body, replaces ? { ...options, mode: 'overwrite' } : options);
      },
    }),
  ),
  lie('a create that meets the same bytes is ALREADY_EXISTS too', 'the same bytes are taken for success', (honest) => ({
    async put(key, body, options) {
      const stored = await honest.get(key).catch(() => undefined);
      if (stored === undefined || stored.byteLength === 0 || Buffer.compare(stored, body) !== 0) {
        await honest.put(key, body, options);
      }
    },
  })),
  lie('a create that meets an empty object is ALREADY_EXISTS', 'an empty object is taken for none', (honest) => ({
    async put(key, body, options) {
      const isEmpty = (await sizeThere(honest, key)) === 0;
      await honest.put(key, body, isEmpty ? { ...options, mode: 'overwrite' } : options);
    },
  })),
  lieAbout('a create after a delete stores the new object', 'a deleted key is taken for ever', () => {
    const taken = new Set<string>();
    return (honest) => ({
      async put(key, body, options) {
        if (taken.has(key)) throw refuse('ALREADY_EXISTS', key);
        await honest.put(key, body, options);
      },
      async delete(keys, options) {
        await honest.delete(keys, options);
        for (const key of keys) taken.add(key);
      },
    });
  }),
  lie(
    'an overwrite replaces an object as a whole, by a shorter and by a longer one',
    'a short body is written over the beginning of a longer object',
    (honest) => ({
      async put(key, body, options) {
        const old = await honest.get(key).catch(() => new Uint8Array(0));
        const isPatch = options.mode === 'overwrite' && body.byteLength < 100 && old.byteLength >= 1_000;
        await honest.put(key, isPatch ? Buffer.concat([body, old.subarray(body.byteLength)]) : body, options);
      },
    }),
  ),
  lie(
    'of racing creates, through two instances, one wins, and its bytes stay',
    'a create of a small body looks, and then writes',
    (honest) => ({
      async put(key, body, options) {
        if (options.mode === 'overwrite' || body.byteLength > LARGE) return honest.put(key, body, options);
        if (await exists(honest, key)) throw refuse('ALREADY_EXISTS', key);
        return honest.put(key, body, { ...options, mode: 'overwrite' });
      },
    }),
  ),
  lie(
    'of racing creates of large objects one wins, and its bytes stay',
    'a create of a large body looks before its upload',
    (honest) => ({
      async put(key, body, options) {
        if (options.mode === 'overwrite' || body.byteLength <= LARGE) return honest.put(key, body, options);
        if (await exists(honest, key)) throw refuse('ALREADY_EXISTS', key);
        return honest.put(key, body, { ...options, mode: 'overwrite' });
      },
    }),
  ),
];

const whole: readonly Lie[] = [
  lie('an object that is being created is seen whole or not at all', 'a large object grows', (honest) => ({
    async put(key, body, options) {
      if (options.mode === 'overwrite' || !isLarge(body) || options.signal !== undefined) {
        return honest.put(key, body, options);
      }
      await honest.put(key, halfOf(body), options);
      await turn();
      return honest.put(key, body, OVERWRITE);
    },
  })),
  lie(
    'an object that is being overwritten is seen as before or as after',
    'a large object is emptied before it is replaced',
    (honest) => ({
      async put(key, body, options) {
        if (options.mode === 'overwrite' && body.byteLength > LARGE && options.signal === undefined) {
          await honest.put(key, new Uint8Array(0), OVERWRITE);
          await turn();
        }
        await honest.put(key, body, options);
      },
    }),
  ),
  lie(
    'a create that was aborted has stored all of the object or nothing',
    'an aborted create leaves what it had',
    (honest) => ({
      async put(key, body, options) {
        if (options.mode === 'overwrite' || options.signal === undefined || options.signal.aborted) {
          return honest.put(key, body, options);
        }
        await honest.put(key, halfOf(body), options);
        await turn();
        options.signal.throwIfAborted();
        return honest.put(key, body, OVERWRITE);
      },
    }),
  ),
  lie(
    'an overwrite that was aborted has left the old object or the new one',
    'an overwrite deletes first',
    (honest) => ({
      async put(key, body, options) {
        if (options.mode === 'overwrite' && options.signal !== undefined) {
          await honest.delete([key]);
          await turn();
        }
        await honest.put(key, body, options);
      },
    }),
  ),
  lieAbout('puts of 32 keys at once are all stored', 'small bodies share a buffer on their way', () => (honest) => {
    const shared = new Uint8Array(16);
    return {
      async put(key, body, options) {
        if (body.byteLength !== shared.byteLength) return honest.put(key, body, options);
        shared.set(body);
        await turn();
        return honest.put(key, shared, options);
      },
    };
  }),
  lieAbout('overwrites of one key at once leave one of their objects, whole', 'overwrites at once are mixed', () => {
    let last = new Uint8Array(0);
    let inFlight = 0;
    return (honest) => ({
      async put(key, body, options) {
        if (options.mode === 'create' || options.signal !== undefined) return honest.put(key, body, options);
        inFlight += 1;
        const isAlone = inFlight === 1;
        await turn();
        const mixed = Uint8Array.from(body);
        if (!isAlone && last.byteLength > 0) mixed.set(last.subarray(0, 5_000));
        last = Uint8Array.from(body);
        inFlight -= 1;
        return honest.put(key, mixed, options);
      },
    });
  }),
];

const buffers: readonly Lie[] = [
  lieAbout('a body may be changed when its put has settled', 'a body is kept as it is, not copied', () => {
    const kept = new Map<string, Uint8Array>();
    return (honest) => ({
      async put(key, body, options) {
        await honest.put(key, body, options);
        if (body.byteLength === 10_000) kept.set(key, body);
        else kept.delete(key);
      },
      async get(key, options) {
        const bytes = await honest.get(key, options);
        return bytes.byteLength === 10_000 ? Uint8Array.from(kept.get(key) ?? bytes) : bytes;
      },
    });
  }),
  lie('a put does not change its body', 'a body is encrypted where it is', (honest) => ({
    async put(key, body, options) {
      await honest.put(key, body, options);
      if (body.byteLength === 12_345) body.reverse();
    },
  })),
  lie('a body may be a part of a larger buffer', 'the buffer is stored from its start', (honest) => ({
    async put(key, body, options) {
      const isPart = body.byteLength < body.buffer.byteLength;
      await honest.put(key, isPart ? new Uint8Array(body.buffer as ArrayBuffer, 0, body.byteLength) : body, options);
    },
  })),
  lieAbout('the bytes of a get are its caller’s', 'every get of an object gives the same bytes', () => {
    const given = new Map<string, Uint8Array>();
    return (honest) => ({
      async put(key, body, options) {
        given.delete(key);
        await honest.put(key, body, options);
      },
      async get(key, options) {
        if (options !== undefined) return honest.get(key, options);
        const bytes = given.get(key) ?? (await honest.get(key));
        if (bytes.byteLength === 10_000) given.set(key, bytes);
        return bytes;
      },
    });
  }),
  lie('a put with the SHA-256 of its body is stored', 'checksums are not supported', (honest) => ({
    async put(key, body, options) {
      if (options.sha256?.byteLength === 32 && body.byteLength === 0) throw refuse('UNSUPPORTED', key);
      await honest.put(key, body, options);
    },
  })),
  lie(
    'a put with the SHA-256 of another body is refused, and nothing is stored',
    'checksums are ignored',
    (honest) => ({
      async put(key, body, options) {
        await honest.put(key, body, { ...options, sha256: undefined });
      },
    }),
  ),
];

export const putLies: readonly Lie[] = [...creating, ...whole, ...buffers];
