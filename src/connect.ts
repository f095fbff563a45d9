/** The composition root: location → backend → repository. The only file that knows both sides. */
import { isLocal, openUrl } from './backends/open-url.ts';
import type { StorageBackend } from './core/backend.ts';
import type { Bridge } from './core/bridge.ts';
import { PackvaultError } from './core/errors.ts';
import { type Connection, OpenRepository } from './core/repository.ts';
import type { InitOptions, OpenOptions } from './core/types.ts';

async function connect(where: string | StorageBackend): Promise<Connection> {
  if (typeof where !== 'string') return { backend: checkBackend(where), local: false, owned: false };
  return { backend: await openUrl(where), local: isLocal(where), owned: true };
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
    const connection = await connect(where);
    try {
      return new Repository(await OpenRepository.begin(connection, verb, options));
    } catch (error) {
      if (connection.owned) await connection.backend[Symbol.asyncDispose]();
      throw error;
    }
  }
}
