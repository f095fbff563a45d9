/** Broken stores whose backends tell it as they should, and the same with backends that don't. */
import { type StorageBackend, VERBS, type Verb } from '../../../src/core/backend.ts';
import { PackvaultError, type PackvaultErrorInit } from '../../../src/core/errors.ts';
import {
  type BrokenStore,
  type BrokenStores,
  FaultBackend,
  type FaultRule,
  MemoryBackend,
  type StoreFactory,
} from '../../../src/testing/index.ts';
import { refuse, turn, wrong } from './lie.ts';

/** What a verb does instead; it gets the call's signal. */
type Instead = (signal: AbortSignal | undefined) => Promise<never>;

function instead(verbs: readonly Verb[], what: Instead): BrokenStore {
  return async (place) => {
    const store = await place.open();
    const lies: Pick<StorageBackend, Verb> = {
      put: async (_key, _body, options) => what(options.signal),
      get: async (_key, options) => what(options?.signal),
      stat: async (_key, options) => what(options?.signal),
      list: (_prefix, options) => ({ [Symbol.asyncIterator]: () => ({ next: async () => what(options?.signal) }) }),
      delete: async (_keys, options) => what(options?.signal),
    };
    return wrong(store, Object.fromEntries(verbs.map((verb) => [verb, lies[verb]])));
  };
}

function failing(verbs: readonly Verb[], error: Omit<PackvaultErrorInit, 'message'>): BrokenStore {
  return instead(verbs, async () => {
    throw new PackvaultError({ message: 'The store is broken.', ...error });
  });
}

/** Gives up after a while. */
function silent(verbs: readonly Verb[], listensToSignal = true): BrokenStore {
  return instead(verbs, async (signal) => {
    for (let waited = 0; waited < 50; waited += 1) {
      await turn();
      if (listensToSignal) signal?.throwIfAborted();
    }
    throw refuse('UNAVAILABLE');
  });
}

function faulty(...rules: readonly FaultRule[]): BrokenStore {
  return async (place) => new FaultBackend(await place.open(), { rules });
}

/** Reads: those of a whole object, and those of a range. */
function reading(
  whole: (bytes: Uint8Array) => Uint8Array,
  range: (bytes: Uint8Array, all: Uint8Array) => Uint8Array,
): BrokenStore {
  return async (place) => {
    const store = await place.open();
    return wrong(store, {
      async get(key, options) {
        const all = await store.get(key);
        if (options?.length === undefined) return whole(all);
        return range(await store.get(key, options), all);
      },
    });
  };
}

function cut(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, 1_000);
}

function refused(): Uint8Array {
  throw refuse('UNAVAILABLE');
}

const HONEST: Required<BrokenStores> = {
  missingBucket: failing(VERBS, { code: 'UNAVAILABLE', retry: 'never' }),
  wrongCredentials: failing(VERBS, { code: 'UNAUTHENTICATED' }),
  readOnly: failing(['put', 'delete'], { code: 'PERMISSION_DENIED' }),
  undeletable: failing(['delete'], { code: 'PERMISSION_DENIED' }),
  refused: failing(VERBS, { code: 'UNAVAILABLE' }),
  unknownHost: failing(VERBS, { code: 'UNAVAILABLE', retry: 'never' }),
  silent: silent(VERBS),
  throttled: failing(VERBS, { code: 'RATE_LIMITED' }),
  retryAfter: failing(VERBS, { code: 'RATE_LIMITED', context: { retryAfterMs: 3_000 } }),
  failing: failing(VERBS, { code: 'UNAVAILABLE' }),
  html: failing(['list'], { code: 'UNAVAILABLE' }),
  cutBody: failing(['get'], { code: 'UNAVAILABLE' }),
  stalledBody: silent(['get']),
  shortBody: failing(['get'], { code: 'RANGE_INVALID' }),
  ignoredRange: failing([], { code: 'UNAVAILABLE' }),
  corruptedBody: failing(['get'], { code: 'UNAVAILABLE' }),
  corruptedUpload: failing(['put'], { code: 'UNAVAILABLE' }),
  lostAnswer: faulty({ fault: 'lost-answer' }),
  full: faulty({ fault: 'OUT_OF_SPACE' }),
};

/** A store in memory with broken neighbours, of which some lie. */
export function brokenFactory(lies: BrokenStores = {}): StoreFactory {
  return {
    place() {
      const memory = new MemoryBackend();
      return { open: () => memory.share() };
    },
    secrets: ['swordfish'],
    broken: { ...HONEST, ...lies },
  };
}

export interface BrokenLie {
  readonly fails: string;
  readonly what: string;
  readonly lies: BrokenStores;
}

function lie(fails: string, what: string, lies: BrokenStores): BrokenLie {
  return { fails, what, lies };
}

export const brokenLies: readonly BrokenLie[] = [
  lie('a missing bucket is UNAVAILABLE, not NOT_FOUND', 'a missing bucket is taken for a missing object', {
    missingBucket: failing(['get', 'stat'], { code: 'NOT_FOUND' }),
  }),
  lie(
    'a refused login is UNAUTHENTICATED, or PERMISSION_DENIED where the store does not tell them apart',
    'a refused login is tried again',
    { wrongCredentials: failing(VERBS, { code: 'UNAUTHENTICATED', retry: 'safe' }) },
  ),
  lie(
    'a refused login is UNAUTHENTICATED, or PERMISSION_DENIED where the store does not tell them apart',
    'the error of a refused login tells the secret',
    { wrongCredentials: failing(VERBS, { code: 'UNAUTHENTICATED', cause: new Error('no user "swordfish"') }) },
  ),
  lie('a login that may only read meets PERMISSION_DENIED when it writes', 'a delete without permission is no delete', {
    readOnly: failing(['put'], { code: 'PERMISSION_DENIED' }),
  }),
  lie('a login that may only read reads', 'a login that may only read may not list', {
    readOnly: failing(['put', 'list', 'delete'], { code: 'PERMISSION_DENIED' }),
  }),
  lie(
    'a login that may not delete meets PERMISSION_DENIED when it does',
    'a delete without permission is unavailable',
    {
      undeletable: failing(['delete'], { code: 'UNAVAILABLE', retry: 'never' }),
    },
  ),
  lie('a refused connection is UNAVAILABLE and safe', 'a refused connection is for ever', {
    refused: failing(VERBS, { code: 'UNAVAILABLE', retry: 'never' }),
  }),
  lie('an unknown host is UNAVAILABLE', 'ENOTFOUND is NOT_FOUND', {
    unknownHost: failing(VERBS, { code: 'NOT_FOUND' }),
  }),
  lie('a store that never answers is UNAVAILABLE and safe', 'a time-out is an abort', {
    silent: instead(VERBS, async (signal) => {
      for (let waited = 0; waited < 50; waited += 1) {
        await turn();
        signal?.throwIfAborted();
      }
      throw new DOMException('timed out', 'AbortError');
    }),
  }),
  lie('a call to a store that never answers can be aborted', 'a signal is looked at before a call only', {
    silent: silent(VERBS, false),
  }),
  lie('throttling is RATE_LIMITED and safe', 'throttling is a failure like others', {
    throttled: failing(VERBS, { code: 'UNAVAILABLE' }),
  }),
  lie('throttling tells the pause that the store asked for', 'the pause is told in seconds', {
    retryAfter: failing(VERBS, { code: 'RATE_LIMITED', context: { retryAfterMs: 3 } }),
  }),
  lie('a failure of the store is UNAVAILABLE and safe', 'a failure of the store is a bug', {
    failing: failing(VERBS, { code: 'INTERNAL' }),
  }),
  lie('a listing that is no listing is UNAVAILABLE', 'a page of HTML lists nothing', {
    html: async (place) => wrong(await place.open(), { list: () => new MemoryBackend().list('') }),
  }),
  lie('a body whose connection breaks is UNAVAILABLE and safe', 'a broken connection is a wrong range', {
    cutBody: failing(['get'], { code: 'RANGE_INVALID' }),
  }),
  lie('a range is exact or refused (cutBody)', 'a range whose connection breaks is short', {
    cutBody: reading(refused, cut),
  }),
  lie('a body that stalls is UNAVAILABLE and safe', 'a body that stalls is what has come', {
    stalledBody: instead(['get'], async (signal) => {
      for (let waited = 0; waited < 50; waited += 1) {
        await turn();
        signal?.throwIfAborted();
      }
      throw refuse('CORRUPT');
    }),
  }),
  lie('a body that stalls can be aborted', 'a signal is for the answer’s head only', {
    stalledBody: silent(['get'], false),
  }),
  lie('a body that ends early is RANGE_INVALID or UNAVAILABLE', 'a body that ends early is short', {
    shortBody: reading(cut, refused),
  }),
  lie('a range is exact or refused (shortBody)', 'a range that ends early is short', {
    shortBody: reading(refused, cut),
  }),
  lie('a range is exact or refused (ignoredRange)', 'the answer to a range is believed', {
    ignoredRange: reading(
      (all) => all,
      (_, all) => all,
    ),
  }),
  lie('a body that was damaged on its way is UNAVAILABLE and safe', 'checksums of bodies are not looked at', {
    corruptedBody: faulty({ fault: 'flip', verb: 'get' }),
  }),
  lie(
    'a body that is damaged on its way to the store is refused, and nothing is stored',
    'a body is sent without a checksum',
    {
      corruptedUpload: faulty({ fault: 'flip', verb: 'put' }),
    },
  ),
  lie(
    'a create whose answer is lost is UNAVAILABLE and safe, and its object is there',
    'a client repeats a create by itself',
    {
      lostAnswer: faulty({ fault: 'lost-answer', nth: 9 }, { fault: 'ALREADY_EXISTS' }),
    },
  ),
  lie(
    'a full store is OUT_OF_SPACE; nothing is stored, and what is there can be read',
    'a full store keeps what fits',
    {
      full: faulty({ fault: 'truncate', verb: 'put', key: 'b' }, { fault: 'OUT_OF_SPACE' }),
    },
  ),
];
