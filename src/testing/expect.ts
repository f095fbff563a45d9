/** What the cases say again and again. */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { ObjectInfo, StorageBackend, Verb } from '../core/backend.ts';
import { type ErrorCode, PackvaultError } from '../core/errors.ts';

/** `size` bytes that look random and are the same each time. Different seeds give different bytes from a size of 16 on. */
export function bytesOf(seed: number, size: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = (Math.imul(seed + 1, 0x9e3779b1) ^ 0x85ebca6b) >>> 0 || 1;
  for (let at = 0; at < words.length; at += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
  return new Uint8Array(words.buffer, 0, size);
}

export function areSame(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

/** `what` names the bytes in the failure. */
export function assertBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  assert.ok(actual instanceof Uint8Array, `${what}: not a Uint8Array`);
  assert.equal(actual.byteLength, expected.byteLength, `${what}: wrong number of bytes`);
  assert.ok(areSame(actual, expected), `${what}: wrong bytes`);
}

/** What `work` rejected with. Fails if it resolves. */
export async function reasonOf(work: Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await work;
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({
    message: `it should have failed, and gave ${inspect(value, { depth: 1, maxArrayLength: 8 })}`,
  });
}

/** The `PackvaultError` that `work` rejected with. Fails if it resolves, or rejects with anything else. */
export async function errorOf(work: Promise<unknown>): Promise<PackvaultError> {
  const reason = await reasonOf(work);
  assert.ok(PackvaultError.is(reason), `not a PackvaultError: ${inspect(reason)}`);
  return reason;
}

/** Fails unless `work` rejects with this code, and with this key in its context. */
export async function assertCode(work: Promise<unknown>, code: ErrorCode, key?: string): Promise<void> {
  const error = await errorOf(work);
  assert.equal(error.code, code, inspect(error));
  if (key !== undefined) assert.equal(error.context['key'], key, 'context.key');
}

/** The object's bytes, or `undefined` if there is none. */
export async function contentOf(store: StorageBackend, key: string): Promise<Uint8Array | undefined> {
  return unlessMissing(store.get(key));
}

/** The object's size as `stat` tells it, or `undefined` if there is none. */
export async function sizeOf(store: StorageBackend, key: string): Promise<number | undefined> {
  return (await unlessMissing(store.stat(key)))?.size;
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (PackvaultError.is(error) && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

export async function infosOf(listing: AsyncIterable<ObjectInfo>): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = [];
  for await (const info of listing) found.push(info);
  return found;
}

export async function keysOf(listing: AsyncIterable<ObjectInfo>): Promise<string[]> {
  return (await infosOf(listing)).map(({ key }) => key);
}

/** Puts a small object under each key, some at a time. An object's bytes are `bytesOf(its place in keys, 16)`. */
export async function putAll(store: StorageBackend, keys: readonly string[]): Promise<void> {
  const AT_ONCE = 32;
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const some = keys.slice(at, at + AT_ONCE);
    await Promise.all(some.map((key, index) => store.put(key, bytesOf(at + index, 16), { mode: 'create' })));
  }
}

/** One call of a verb that needs nothing but a key, to its end. */
export async function callVerb(store: StorageBackend, verb: Verb, key: string, signal?: AbortSignal): Promise<unknown> {
  switch (verb) {
    case 'put':
      return store.put(key, bytesOf(0, 1_000), { mode: 'create', signal });
    case 'get':
      return store.get(key, { signal });
    case 'stat':
      return store.stat(key, { signal });
    case 'list':
      return infosOf(store.list('', { signal }));
    default:
      return store.delete([key], { signal });
  }
}

/** Lets everything that is ready happen, `turns` times. */
export async function turnsOfEventLoop(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** All that a careless logger could print of a value: messages, stacks, causes, and what hangs on them. */
export function printable(value: unknown): string {
  return inspect(value, { depth: 12, showHidden: true, maxStringLength: null, maxArrayLength: null });
}
