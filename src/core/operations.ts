/** One operation of the engine, performed on a backend. */
import { isUint8Array } from 'node:util/types';
import { type ObjectInfo, rangeInvalid, type StorageBackend } from './backend.ts';
import { PackvaultError } from './errors.ts';
import type { Operation } from './native.ts';

/**
 * How long an operation may go on after it was aborted, in milliseconds. Then it is left to itself: a store that neither answers nor
 * listens must not hold a call for ever.
 */
const PATIENCE_MS = 5_000;

/** What the engine takes as an answer: nothing, bytes, or JSON. */
export type Answer = Uint8Array | string | undefined;

/** Performs a put, get, stat, list or delete. `body` is what a put stores. Rejects with `PackvaultError` or the signal's reason. */
export async function perform(
  backend: StorageBackend,
  operation: Operation,
  body: Uint8Array | undefined,
  signal: AbortSignal,
): Promise<Answer> {
  signal.throwIfAborted();
  try {
    return await patiently(ask(backend, operation, body, signal), signal);
  } catch (error) {
    if (PackvaultError.is(error) || signal.aborted) throw error;
    throw foreign(backend, operation, error);
  }
}

async function ask(
  backend: StorageBackend,
  operation: Operation,
  body: Uint8Array | undefined,
  signal: AbortSignal,
): Promise<Answer> {
  const { key, verb } = operation;
  if (verb === 'put' && body !== undefined) {
    const sha256 = operation.sha256 === '' ? undefined : new Uint8Array(Buffer.from(operation.sha256, 'hex'));
    await backend.put(key, body, { mode: operation.create ? 'create' : 'overwrite', sha256, signal });
    return undefined;
  }
  if (verb === 'get') return get(backend, operation, signal);
  if (verb === 'stat') return JSON.stringify(info(await backend.stat(key, { signal })));
  if (verb === 'list') return JSON.stringify(await page(backend, operation, signal));
  if (verb === 'delete') {
    for (let at = 0; at < operation.keys.length; at += backend.capabilities.maxDeleteBatch) {
      await backend.delete(operation.keys.slice(at, at + backend.capabilities.maxDeleteBatch), { signal });
    }
    return undefined;
  }
  throw new PackvaultError({ code: 'INTERNAL', message: `There is no operation ${verb}.` });
}

async function get(backend: StorageBackend, operation: Operation, signal: AbortSignal): Promise<Uint8Array> {
  const { key, offset, length, limit } = operation;
  const whole = length < 0;
  const bytes: unknown = await backend.get(key, whole ? { maxBytes: limit, signal } : { offset, length, signal });
  if (!isUint8Array(bytes)) throw new TypeError(`get returned ${typeof bytes} instead of Uint8Array`);
  const got = bytes.byteLength;
  if (whole && got > limit)
    throw rangeInvalid(key, `the store sent ${got} bytes; ${limit} are the most`, { got, limit });
  if (!whole && got !== length) throw rangeInvalid(key, `the store sent ${got} bytes instead of ${length}`, { got });
  return bytes;
}

interface Info {
  readonly key: string;
  readonly size: number;
  readonly modifiedMs: number;
}

function info({ key, size, modifiedAt }: ObjectInfo): Info {
  if (typeof key !== 'string' || !Number.isSafeInteger(size) || size < 0) {
    throw new TypeError(`an object has the key ${key} and the size ${size}`);
  }
  const modifiedMs = Math.trunc(modifiedAt.getTime());
  // For people only: a store that does not know it must not stop a backup.
  return { key, size, modifiedMs: Number.isNaN(modifiedMs) ? 0 : modifiedMs };
}

async function page(backend: StorageBackend, operation: Operation, signal: AbortSignal): Promise<Info[]> {
  const objects: Info[] = [];
  const after = operation.after === '' ? {} : { startAfter: operation.after };
  for await (const object of backend.list(operation.key, { ...after, signal })) {
    objects.push(info(object));
    if (objects.length >= operation.limit) break;
  }
  return objects;
}

/** As `work`; after an abort it is waited for as long as patience goes, so that nothing goes on behind the caller's back. */
function patiently<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const giveUp = (): void => {
      timer = setTimeout(() => reject(signal.reason as Error), PATIENCE_MS);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    void work.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', giveUp);
      clearTimeout(timer);
    });
  });
}

/** What a backend threw that is none of our errors: nothing is known of it, so nothing is repeated. */
function foreign(backend: StorageBackend, { verb, key }: Operation, cause: unknown): PackvaultError {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new PackvaultError({
    code: 'UNAVAILABLE',
    retry: 'never',
    message: `${verb} of ${key} failed in ${backend.location}: ${said}. What was stored before is not harmed. The cause says more.`,
    context: { key },
    cause,
  });
}
