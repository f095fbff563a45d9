/** The contract between the engine and a store, and the checks that every backend owes it. */
import { PackvaultError } from './errors.ts';

/** What a store can do. Read it after a call, not only before: a backend may learn from the store that it can do less. */
export interface BackendCapabilities {
  /** put with mode `create` is atomic: of any number of racing creates of a key, one wins. */
  readonly exclusiveCreate: boolean;
  /** A resolved put survives power loss. */
  readonly durablePut: boolean;
  /** In bytes; a longer body is INVALID_ARGUMENT. */
  readonly maxObjectSize: number;
  /** Keys in one `delete`; more are INVALID_ARGUMENT and delete nothing. */
  readonly maxDeleteBatch: number;
}

export interface ObjectInfo {
  readonly key: string;
  /** In bytes. */
  readonly size: number;
  /** By the store's clock; for people only. */
  readonly modifiedAt: Date;
}

export interface BackendCallOptions {
  readonly signal?: AbortSignal | undefined;
}
export interface PutOptions extends BackendCallOptions {
  readonly mode: 'create' | 'overwrite';
  /** SHA-256 of the body (32 bytes), when the caller has it: for the store's own upload check. */
  readonly sha256?: Uint8Array | undefined;
}
export interface GetOptions extends BackendCallOptions {
  /** In bytes, default 0. */
  readonly offset?: number | undefined;
  /** In bytes, default: up to the end. */
  readonly length?: number | undefined;
  /** RANGE_INVALID, before a byte of the body is read, if more bytes than this would be returned. */
  readonly maxBytes?: number | undefined;
}
export interface ListOptions extends BackendCallOptions {
  /** Only keys greater than this one, which need not exist. */
  readonly startAfter?: string | undefined;
}

/**
 * A flat store of bounded, immutable objects. Bodies are whole buffers, so every put can be replayed. A backend never retries,
 * caches or throttles: decorators do.
 *
 * Every implementation guarantees, and `conformance` of packvault/testing checks:
 *
 * - **Keys** are `[a-z0-9._/-]`, 1 to 200 bytes, with no empty, `.` or `..` segment; others are INVALID_ARGUMENT before the
 *   store is asked. A store may refuse with UNSUPPORTED a key that is a folder of another key (`a` beside `a/b`), or list
 *   only one of the two.
 * - **Whole objects.** No reader, by `get`, `stat` or `list`, ever sees part of a put. A rejected put has stored all of the
 *   object or nothing; which of both, only a read tells.
 * - **Read your writes.** What a resolved put stored and a resolved delete removed, every later call sees so, also through
 *   another instance.
 * - **Buffers.** `body` is read only until the put settles and is never changed; what `get` returns belongs to the caller.
 * - **Errors** are `PackvaultError` with `context.key` where one key is concerned. A missing object is NOT_FOUND, and only a
 *   missing object is: an unreachable store or a refused login is never reported as absence. A missing bucket or container is
 *   UNAVAILABLE, never to be retried; a refused login is UNAUTHENTICATED, or PERMISSION_DENIED where the store doesn't tell them
 *   apart. A refused or broken connection, a time-out, a server's own failure and a body that didn't arrive whole are
 *   UNAVAILABLE, and a store that asks for fewer requests is RATE_LIMITED: both `safe`, the latter with
 *   `context.retryAfterMs` if the store said how long. No message, context or cause holds a secret.
 * - **Abort.** When `signal` aborts, the call rejects with the signal's own reason. If it had aborted before the call,
 *   the store has not been asked.
 * - **Disposal** releases what the instance holds and can be repeated; the store itself is unchanged.
 */
export interface StorageBackend extends AsyncDisposable {
  /** For people and logs; never holds a credential. */
  readonly location: string;
  readonly capabilities: BackendCapabilities;
  /**
   * Stores `body` under `key`. With mode `create` an object that is there is kept and the put is ALREADY_EXISTS, atomically if
   * `capabilities.exclusiveCreate`; with `overwrite` it is replaced as a whole.
   */
  put(key: string, body: Uint8Array, options: PutOptions): Promise<void>;
  /**
   * Exactly the bytes asked for, else RANGE_INVALID: no short reads, no clipping. Without a range, the whole object, which
   * may be empty; a range selects at least one byte.
   */
  get(key: string, options?: GetOptions): Promise<Uint8Array>;
  stat(key: string, options?: BackendCallOptions): Promise<ObjectInfo>;
  /**
   * The objects whose key begins with `prefix`, in ascending byte order of key; an object that is there from the first to the
   * last step of the iteration is listed exactly once. `prefix` may be empty or end anywhere in a key; one that no key can
   * begin with (`../`, `a//`) is INVALID_ARGUMENT.
   */
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo>;
  /** Removes objects; absent ones are fine. When it rejects, some of them may have been removed. */
  delete(keys: readonly string[], options?: BackendCallOptions): Promise<void>;
}

/** What a store can be asked. */
export const VERBS = ['put', 'get', 'stat', 'list', 'delete'] as const;
export type Verb = (typeof VERBS)[number];

/** Bytes of a key. The characters are ASCII, so this is also its length. */
export const MAX_KEY_BYTES = 200;

const KEY = /^(?!\.{1,2}(?:\/|$))[a-z0-9._-]+(?:\/(?!\.{1,2}(?:\/|$))[a-z0-9._-]+)*$/;
const CHARACTERS = /^[a-z0-9._/-]*$/;
// Whole segments as in keys, then the beginning of one. Others begin no key, and in a folder tree they lead out of it.
const PREFIX = /^(?:(?!\.{1,2}\/)[a-z0-9._-]+\/)*[a-z0-9._-]*$/;

function invalid(message: string, context: Record<string, string | number>): PackvaultError {
  return new PackvaultError({ code: 'INVALID_ARGUMENT', message: `${message} The store was not asked.`, context });
}

/** Throws INVALID_ARGUMENT unless `key` is one that every store can hold. */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key === 'string' && key.length <= MAX_KEY_BYTES && KEY.test(key)) return;
  const shown = JSON.stringify(String(key).slice(0, MAX_KEY_BYTES));
  throw invalid(
    `${shown} is not a key: keys are 1 to ${MAX_KEY_BYTES} of [a-z0-9._/-] with no empty, "." or ".." segment.`,
    { key: shown },
  );
}

/** Throws INVALID_ARGUMENT unless a key can begin with `prefix` and `startAfter` consists of characters that keys have. */
export function checkListing(prefix: string, startAfter: string | undefined): void {
  const given: readonly (readonly [string, unknown, RegExp])[] = [
    ['prefix', prefix, PREFIX],
    ['startAfter', startAfter ?? '', CHARACTERS],
  ];
  for (const [name, value, pattern] of given) {
    if (typeof value === 'string' && value.length <= MAX_KEY_BYTES && pattern.test(value)) continue;
    const shown = JSON.stringify(String(value).slice(0, MAX_KEY_BYTES));
    throw invalid(
      `${shown} is not a ${name}: at most ${MAX_KEY_BYTES} of [a-z0-9._/-], and no empty, "." or ".." segment in a prefix.`,
      { [name]: shown },
    );
  }
}

/** Throws INVALID_ARGUMENT unless a put can be tried: its key, and its size against what the store takes. */
export function checkPut(key: string, body: Uint8Array, capabilities: BackendCapabilities): void {
  checkKey(key);
  if (body.byteLength <= capabilities.maxObjectSize) return;
  throw invalid(
    `${body.byteLength} bytes are more than the ${capabilities.maxObjectSize} that an object can have here.`,
    {
      key,
      size: body.byteLength,
      maxObjectSize: capabilities.maxObjectSize,
    },
  );
}

/** Throws INVALID_ARGUMENT unless every key is valid and the batch is one that the store takes at once. */
export function checkDelete(keys: readonly string[], capabilities: BackendCapabilities): void {
  for (const key of keys) checkKey(key);
  if (keys.length <= capabilities.maxDeleteBatch) return;
  throw invalid(`${keys.length} keys are more than the ${capabilities.maxDeleteBatch} that one delete can have here.`, {
    keys: keys.length,
    maxDeleteBatch: capabilities.maxDeleteBatch,
  });
}

/** A checked range, in bytes; `undefined` stands for the whole object. */
export interface CheckedRange {
  readonly offset: number;
  /** At least 1; `undefined`: up to the end. */
  readonly length: number | undefined;
}

/**
 * Checks a get's range before the store is asked. INVALID_ARGUMENT for what is not a whole number of bytes, RANGE_INVALID for
 * a length of 0 or one greater than `maxBytes`. `undefined`: the whole object is asked for.
 */
export function checkRange(key: string, options: GetOptions = {}): CheckedRange | undefined {
  const { offset = 0, length, maxBytes } = options;
  for (const [name, value] of Object.entries({ offset, length: length ?? 0, maxBytes: maxBytes ?? 0 })) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw invalid(`${name} must be a whole number of bytes, not ${String(value)}.`, { key, [name]: String(value) });
  }
  if (length === 0) throw rangeInvalid(key, 'a range has at least one byte', { offset, length });
  if (length !== undefined && maxBytes !== undefined && length > maxBytes) throw tooLong(key, length, maxBytes);
  return offset === 0 && length === undefined ? undefined : { offset, length };
}

/**
 * The start and the end (exclusive) of a checked range in an object of `size` bytes. RANGE_INVALID when the object doesn't
 * have these bytes or they are more than `maxBytes`.
 */
export function resolveRange(
  key: string,
  size: number,
  range: CheckedRange | undefined,
  maxBytes: number | undefined,
): { start: number; end: number } {
  const start = range?.offset ?? 0;
  const end = range?.length === undefined ? size : start + range.length;
  if (range !== undefined && (start >= size || end > size)) {
    throw rangeInvalid(key, `the object has ${size} bytes`, { offset: start, length: end - start, size });
  }
  if (maxBytes !== undefined && end - start > maxBytes) throw tooLong(key, end - start, maxBytes);
  return { start, end };
}

/** NOT_FOUND: no object has this key. */
export function notFound(key: string, cause?: unknown): PackvaultError {
  return new PackvaultError({
    code: 'NOT_FOUND',
    message: `No object ${key} in this store. Nothing was changed.`,
    context: { key },
    ...(cause !== undefined && { cause }),
  });
}

/** ALREADY_EXISTS: a create met an object. */
export function alreadyExists(key: string, cause?: unknown): PackvaultError {
  return new PackvaultError({
    code: 'ALREADY_EXISTS',
    message: `There is an object ${key} already; it was kept as it is, and nothing was stored.`,
    context: { key },
    ...(cause !== undefined && { cause }),
  });
}

/** RANGE_INVALID: the store hasn't got, or didn't send, exactly the bytes asked for. `why` completes the sentence. */
export function rangeInvalid(key: string, why: string, context: Record<string, number>): PackvaultError {
  return new PackvaultError({
    code: 'RANGE_INVALID',
    message: `Object ${key} cannot give exactly the bytes asked for: ${why}. Nothing was returned, nothing was changed.`,
    context: { key, ...context },
  });
}

function tooLong(key: string, size: number, maxBytes: number): PackvaultError {
  return rangeInvalid(key, `${size} bytes are more than the limit of ${maxBytes} of this read`, { size, maxBytes });
}
