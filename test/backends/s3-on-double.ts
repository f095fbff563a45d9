/** Before each test a new S3 double and a store on it. */
import { afterEach, beforeEach } from 'vitest';
import { S3Backend, type S3BackendOptions } from '../../src/backends/s3/index.ts';
import { PackvaultError } from '../../src/core/errors.ts';
import { S3Double, type S3Fault } from '../doubles/s3.ts';

export const BODY: Uint8Array = Uint8Array.from({ length: 10_000 }, (_, index) => index % 251);
export const TOKEN = 'the-session-token-of-the-test';

export let double: S3Double;
export let store: S3Backend;

/** Another instance on the same place. */
export function open(other: Partial<S3BackendOptions> = {}): S3Backend {
  return new S3Backend({
    bucket: 'bucket',
    prefix: 'repository',
    endpoint: double.url,
    credentials: { ...double.credentials, sessionToken: TOKEN },
    idleTimeoutMs: 500,
    ...other,
  });
}

beforeEach(async () => {
  double = await S3Double.start();
  double.createBucket('bucket');
  store = open();
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await double[Symbol.asyncDispose]();
});

export async function keysOf(from: S3Backend, prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of from.list(prefix)) keys.push(key);
  return keys;
}

export async function errorOf(call: Promise<unknown>): Promise<PackvaultError> {
  const error = await call.then(
    () => new Error('the call succeeded'),
    (reason: unknown) => reason,
  );
  if (!PackvaultError.is(error)) throw error;
  return error;
}

/** The code and the retry class with which each verb meets a fault. */
export async function outcomesOf(fault: S3Fault): Promise<Record<string, string>> {
  const calls = {
    put: async () => store.put('b', BODY, { mode: 'create' }),
    get: async () => store.get('a'),
    range: async () => store.get('a', { offset: 10, length: 100 }),
    stat: async () => store.stat('a'),
    list: async () => keysOf(store),
    delete: async () => store.delete(['none']),
    batch: async () => store.delete(['none', 'nothing']),
  };
  await store.put('a', BODY, { mode: 'overwrite' });
  const end = double.add({ fault });
  const outcomes: Record<string, string> = {};
  for (const [name, call] of Object.entries(calls)) {
    outcomes[name] = await call().then(
      () => 'fine',
      (error: unknown) => (PackvaultError.is(error) ? `${error.code} ${error.retry}` : String(error)),
    );
  }
  end();
  return outcomes;
}
