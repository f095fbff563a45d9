/** Repositories that are quick to make and small enough that every path is taken. */
import { onTestFinished } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { type ErrorCode, type InitOptions, PackvaultError, Repository, type StorageBackend } from '../../src/index.ts';

/**
 * Chunks of about 16 KiB, packs of 1 MiB, and nothing remembered from one client to the next. Every default else; not encrypted: key
 * derivation takes a tenth of a second.
 */
export const SMALL: InitOptions = {
  chunking: { min: 4_096, average: 16_384, max: 65_536 },
  packSize: 1 << 20,
  memoryLimit: 64 << 20,
  threads: 2,
  parity: false,
  cache: false,
};

/** The cheapest key derivation that the format allows. */
export const KDF = { memoryKiB: 65_536, iterations: 3, parallelism: 1 } as const;

/** A new repository, closed when the test ends. */
export async function makeRepository(
  where: string | StorageBackend = new MemoryBackend(),
  options: InitOptions = {},
): Promise<Repository> {
  const repository = await Repository.init(where, { ...SMALL, ...options });
  onTestFinished(() => repository.close());
  return repository;
}

/** What a stream gives, whole. */
export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const part of stream) all.push(part);
  return Buffer.concat(all);
}

/** The bytes of a snapshot, or of one of its items. */
export async function restored(repository: Repository, id: string, item?: string): Promise<Uint8Array> {
  return collect(await repository.restore(id, item === undefined ? {} : { item }));
}

/** What a promise rejects with. Throws if it doesn't. */
export async function rejection(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error('The promise was expected to reject.');
}

/** The `PackvaultError` of this code that a promise rejects with. */
export async function refusal(work: Promise<unknown>, code: ErrorCode): Promise<PackvaultError> {
  const error = await rejection(work);
  if (PackvaultError.is(error) && error.code === code) return error;
  throw new Error(`Expected ${code}, got ${String(error)}`, { cause: error });
}
