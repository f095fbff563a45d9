/** The contract, on a server that speaks SFTP. */
import { constants as bufferConstants } from 'node:buffer';
import { posix } from 'node:path';
import {
  type BackendCallOptions,
  type BackendCapabilities,
  checkDelete,
  checkKey,
  checkListing,
  checkPut,
  checkRange,
  type GetOptions,
  type ListOptions,
  notFound,
  type ObjectInfo,
  type PutOptions,
  type StorageBackend,
} from '../../core/backend.ts';
import { PackvaultError } from '../../core/errors.ts';
import { objectsOf } from '../ordered-walk.ts';
import { openSession } from './connection.ts';
import { explain } from './explain.ts';
import { type FailedCall, isAbsence, sftpError, STATUS } from './errors.ts';
import { Folders } from './folders.ts';
import { type ResolvedOptions, resolveOptions, type SftpBackendOptions, type SftpClientOptions } from './options.ts';
import { Pool } from './pool.ts';
import { Publisher } from './publish.ts';
import type { FolderItem, Session } from './session.ts';
import { Temporaries } from './temporaries.ts';
import { readObject } from './transfer.ts';

// From this size on, an object is worth a connection of its own.
const BULK_BYTES = 1024 * 1024;
const DELETE_BATCH = 256;
// A listing waits for each folder's answers; this many wait together.
const FOLDERS_AHEAD = 16;

/**
 * A store in a folder of a server that speaks SFTP: one file per object, its path the key. The constructor does no I/O; the first
 * call connects (ssh2, an optional peer dependency, is loaded then), and a connection that is lost is replaced by the next call. The
 * first put makes the folder. An idle instance does not keep the process alive.
 *
 * A put writes a temporary file, syncs it, and gives it its name by a hard link (mode `create`: the server refuses a name that is
 * taken) or by a renaming that replaces (mode `overwrite`). OpenSSH can do all of this, and syncs the folder too. Where a server
 * can't, the instance does what is left, and says so once it has met the server:
 *
 * - without hard links a create looks first and then renames. No reader sees part of an object, but of two creates at the same
 *   moment both may win: `capabilities.exclusiveCreate` is false;
 * - without `posix-rename@openssh.com`, an object that is overwritten by other bytes is missing for a moment;
 * - without `fsync@openssh.com`, a power loss of the server can take back the last puts: `capabilities.durablePut` is false.
 *
 * ALREADY_EXISTS comes only after the name of the object that is there has been synced: whoever meets it may rely on it as on
 * one of his own.
 *
 * `~/.ssh/config` is not read.
 */
export class SftpBackend implements StorageBackend {
  /** `sftp://user@host:port//absolute/path`, or `…/relative/path`. */
  readonly location: string;
  readonly #options: ResolvedOptions;
  readonly #pool: Pool;
  readonly #folders: Folders;
  readonly #temporaries: Temporaries;
  readonly #publisher: Publisher;

  /** Throws INVALID_ARGUMENT for options that can't be right. */
  constructor(options: SftpBackendOptions | SftpClientOptions) {
    this.#options = resolveOptions(options);
    this.location = this.#options.location;
    this.#folders = new Folders(this.#options);
    this.#temporaries = new Temporaries(this.#options, this.#folders);
    this.#publisher = new Publisher(this.#temporaries);
    this.#pool = new Pool(async (signal) => {
      const session = await openSession(this.#options, signal);
      this.#publisher.meet(session);
      this.#folders.meet(session);
      return session;
    }, this.#options.connections);
  }

  get capabilities(): BackendCapabilities {
    return {
      exclusiveCreate: this.#publisher.isExclusive,
      durablePut: this.#folders.durable,
      maxObjectSize: bufferConstants.MAX_LENGTH,
      maxDeleteBatch: DELETE_BATCH,
    };
  }

  async put(key: string, body: Uint8Array, { mode, signal }: PutOptions): Promise<void> {
    signal?.throwIfAborted();
    checkPut(key, body, this.capabilities);
    await this.#call({ verb: 'put', key, signal }, body.byteLength, async (session) => {
      const folder = posix.dirname(this.#pathOf(key));
      await this.#folders.ensure(session, folder);
      const write = async (): Promise<string | undefined> => this.#write(session, key, body, mode, signal);
      // Twice: somebody may have cleared the folder of temporaries between writing and naming.
      const temporary = (await write()) ?? (await write());
      if (temporary === undefined) throw vanished(key);
      await Promise.all([this.#temporaries.discard(session, temporary), this.#folders.sync(session, folder)]);
    });
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array> {
    const { maxBytes, signal } = options;
    signal?.throwIfAborted();
    checkKey(key);
    const range = checkRange(key, options);
    const likelySize = range?.length ?? maxBytes ?? Number.POSITIVE_INFINITY;
    const reading = { path: this.#pathOf(key), key, range, maxBytes };
    return this.#call({ verb: 'get', key, signal }, likelySize, async (session) =>
      readObject(session, reading, signal),
    );
  }

  async stat(key: string, { signal }: BackendCallOptions = {}): Promise<ObjectInfo> {
    signal?.throwIfAborted();
    checkKey(key);
    return this.#call({ verb: 'stat', key, signal }, 0, async (session) => {
      const { isFile, size, modifiedAt } = await session.stat(this.#pathOf(key));
      if (!isFile) throw notFound(key);
      return { key, size, modifiedAt };
    });
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo, void, undefined> {
    const { startAfter, signal } = options;
    signal?.throwIfAborted();
    checkListing(prefix, startAfter);
    const call = { verb: 'list', key: prefix, signal } as const;
    const tree = {
      foldersAhead: FOLDERS_AHEAD,
      read: async (folder: string) => this.#call(call, 0, async (session) => session.readFolder(this.#pathOf(folder))),
      isFolder: async ({ name, info }: FolderItem, folder: string) =>
        info.isLink ? (await this.#lookAt(call, folder + name))?.isFolder === true : info.isFolder,
      infoOf: async (key: string, found: FolderItem) => {
        const info = found.info.isLink ? await this.#lookAt(call, key) : found.info;
        return info?.isFile === true ? { key, size: info.size, modifiedAt: info.modifiedAt } : undefined;
      },
    };
    yield* objectsOf(tree, { prefix, startAfter: startAfter ?? '', signal });
  }

  async delete(keys: readonly string[], { signal }: BackendCallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    checkDelete(keys, this.capabilities);
    const [first] = keys;
    if (first === undefined) return;
    await this.#call({ verb: 'delete', key: first, signal }, 0, async (session) => {
      signal?.throwIfAborted();
      // All of them are awaited: after a rejection nothing goes on in the background.
      const outcomes = await Promise.allSettled(keys.map(async (key) => this.#deleteOne(session, key)));
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    });
  }

  /** Closes the connections; a client that was given stays open. Calls after it are CLOSED. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.close();
  }

  #pathOf(key: string): string {
    return posix.join(this.#options.path, key);
  }

  /**
   * Does `work` on a session, and makes its failure one of ours. When the signal aborts, this rejects at once; `work` then ends on
   * its own at the next point where it looks at the signal, and cleans up.
   */
  async #call<T>(call: Omit<FailedCall, 'location'>, size: number, work: (session: Session) => Promise<T>): Promise<T> {
    const { signal } = call;
    try {
      const done = this.#pool.use(size >= BULK_BYTES, async (session) => {
        signal?.throwIfAborted();
        return work(session);
      });
      return await untilAborted(done, signal);
    } catch (error) {
      throw sftpError(error, { ...call, location: this.location });
    }
  }

  /** Stores the object. What is left of its temporary file, or `undefined` if that was taken away too early. */
  async #write(
    session: Session,
    key: string,
    body: Uint8Array,
    mode: PutOptions['mode'],
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    const temporary = await this.#temporaries.write(session, body, signal);
    const path = this.#pathOf(key);
    try {
      signal?.throwIfAborted();
      await this.#publisher[mode === 'create' ? 'create' : 'replace'](session, { temporary, path, key, body, signal });
      return temporary;
    } catch (error) {
      if (isAbsence(error) && (await session.look(temporary)) === undefined) return undefined;
      if (isExisting(error)) await this.#folders.sync(session, posix.dirname(path));
      const explained = await explain(session, error, posix.dirname(path), 0);
      await this.#temporaries.discard(session, temporary);
      throw explained;
    }
  }

  async #deleteOne(session: Session, key: string): Promise<void> {
    const path = this.#pathOf(key);
    try {
      await session.unlink(path);
    } catch (error) {
      // Servers refuse to unlink a folder, which is no object.
      if (isAbsence(error) || (await session.look(path))?.isFile !== true) return;
      throw sftpError(error, { verb: 'delete', key, location: this.location });
    }
  }

  async #lookAt(call: Omit<FailedCall, 'location'>, key: string): Promise<FolderItem['info'] | undefined> {
    return this.#call(call, 0, async (session) => session.look(this.#pathOf(key)));
  }
}

function isExisting(error: unknown): boolean {
  return PackvaultError.is(error) && error.code === 'ALREADY_EXISTS';
}

function vanished(key: string): Error {
  return Object.assign(new Error(`${key}: the temporary file vanished twice`), { code: STATUS.NO_SUCH_FILE });
}

/** Settles as `work` does, or rejects with the signal's reason when it aborts before. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const over = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: over.signal });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    over.abort();
  }
}
