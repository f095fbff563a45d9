/** The composition root: location → backend → decorators → repository. The only file that knows both sides. */
import { join } from 'node:path';
import { RetryBackend } from './backends/decorators/retry.ts';
import { openUrl, schemeOf } from './backends/open-url.ts';
import { CacheBackend, type OpenStore } from './cache/backend.ts';
import { CACHE_BYTES, defaultCacheFolder } from './cache/folder.ts';
import { RoundPin } from './cache/rounds.ts';
import { FolderStore, MemoryStore } from './cache/store.ts';
import type { StorageBackend } from './core/backend.ts';
import type { Bridge } from './core/bridge.ts';
import { PackvaultError } from './core/errors.ts';
import { type ProbeResult, probe } from './core/probe.ts';
import { type Connection, OpenRepository } from './core/repository.ts';
import type { CallOptions, InitOptions, OpenOptions } from './core/types.ts';

/** Bytes of objects that a repository without a cache folder keeps in memory. */
const MEMORY_BYTES = 32 << 20;

async function connect(where: string | StorageBackend, options: OpenOptions): Promise<Connection> {
  const scheme = typeof where === 'string' ? schemeOf(where) : undefined;
  const isPath = typeof where === 'string' && scheme === undefined;
  const store = typeof where === 'string' ? await openUrl(where) : checkBackend(where);
  const retries: Connection['retries'] = { listener: undefined };
  const direct = new RetryBackend(store, { onRetry: (event) => retries.listener?.(event) });
  // The disk is as near as a cache of it would be; a folder that was asked for is used all the same.
  const cache = isPath && options.cache === undefined ? undefined : new CacheBackend(direct, opener(options.cache));
  const { location } = store;
  const accept = options.acceptRollback === true;
  return {
    backend: cache ?? direct,
    keeping: cache?.keeping() ?? direct,
    direct,
    retries,
    seen: (repository, epoch) => new RoundPin(opener(options.cache)(repository), { location, epoch }, accept),
    local: isPath || scheme === 'sftp',
    owned: typeof where === 'string',
  };
}

/** Where objects of a repository are kept: a folder, by default the platform's, or memory. */
function opener(cache: OpenOptions['cache']): OpenStore {
  if (cache === false) return () => new MemoryStore(MEMORY_BYTES);
  const folder = cache ?? defaultCacheFolder();
  return (repository) => new FolderStore(join(folder, repository), CACHE_BYTES);
}

/** INVALID_ARGUMENT for what is no backend, as JavaScript lets one pass. */
function checkBackend(where: unknown): StorageBackend {
  const found = where as Partial<StorageBackend> | null | undefined;
  const verbs = [found?.put, found?.get, found?.stat, found?.list, found?.delete];
  if (verbs.every((verb) => typeof verb === 'function') && typeof found?.capabilities === 'object')
    return where as StorageBackend;
  throw new PackvaultError({
    code: 'INVALID_ARGUMENT',
    message: 'Give a location, such as /srv/backups, or a StorageBackend. Nothing was opened.',
  });
}

/** A repository in a store. */
export class Repository extends OpenRepository {
  private constructor(parts: readonly [Bridge, Connection]) {
    super(...parts);
  }

  /**
   * Makes a repository. A string is a location as `openUrl` reads it: without a scheme, a local path. ALREADY_EXISTS if a repository is
   * there; of two racing inits one wins. A lost passphrase loses the data.
   */
  static async init(where: string | StorageBackend, options: InitOptions = {}): Promise<Repository> {
    return Repository.#start(where, 'init', options);
  }

  /**
   * Opens a repository. NOT_A_REPOSITORY, PASSPHRASE_REQUIRED, WRONG_PASSPHRASE; CORRUPT if config or every key file is damaged;
   * FORMAT_TOO_NEW, FORMAT_TOO_OLD; INVALID_ARGUMENT if a passphrase is given for a repository that is not encrypted.
   */
  static async open(where: string | StorageBackend, options: OpenOptions = {}): Promise<Repository> {
    return Repository.#start(where, 'open', options);
  }

  static async #start(
    where: string | StorageBackend,
    verb: 'init' | 'open',
    options: InitOptions,
  ): Promise<Repository> {
    options.signal?.throwIfAborted();
    const connection = await connect(where, options);
    try {
      return new Repository(await OpenRepository.begin(connection, verb, options));
    } catch (error) {
      if (connection.owned) await connection.backend[Symbol.asyncDispose]();
      throw error;
    }
  }
}

/**
 * Finds out what a store really does, with small objects that are deleted again: whether a repository can be kept there, and whether
 * several machines may prune it. `init` does the same.
 */
export async function probeStore(where: string | StorageBackend, options: CallOptions = {}): Promise<ProbeResult> {
  const owned = typeof where === 'string';
  const backend = owned ? await openUrl(where) : checkBackend(where);
  try {
    return await probe(new RetryBackend(backend), options.signal);
  } finally {
    if (owned) await backend[Symbol.asyncDispose]();
  }
}
