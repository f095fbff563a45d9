/** The contract, on a file system. */
import { constants as bufferConstants } from 'node:buffer';
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  alreadyExists,
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
  rangeInvalid,
  resolveRange,
  type StorageBackend,
} from '../../core/backend.ts';
import { errnoOf, localError } from './errors.ts';
import { Folders } from './folders.ts';
import { type LocalBackendOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import { Temporaries } from './temporaries.ts';
import { objectsOf } from './walk.ts';

// A pipe or device under a key's name must not make open() wait; on regular files the flag means nothing.
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
// Between two slices an abort is noticed.
const SLICE_BYTES = 4 * 1024 * 1024;
const DELETES_AT_ONCE = 32;
// Said by file systems without hard links (FAT, exFAT, some network and user-space ones).
const NO_HARD_LINKS = new Set(['EACCES', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EPERM']);

/**
 * A store in a folder: one file per object, its path the key. The constructor does no I/O; the first put makes the folder.
 *
 * A put writes a temporary file, syncs it, gives it its name by `link` (mode `create`: the system refuses a name that is
 * taken) or `rename` (mode `overwrite`), and syncs the folder. On a file system without hard links a create looks first and
 * then renames: still no reader sees part of an object, but of two creates at the same moment both may win, so
 * `capabilities.exclusiveCreate` turns false with the first such create. Folders are never removed, only files.
 *
 * ALREADY_EXISTS comes only after the name of the object that is there has been synced: whoever meets it may rely on it as on
 * one of his own.
 */
export class LocalBackend implements StorageBackend {
  /** Absolute path of the folder. */
  readonly location: string;
  readonly #options: ResolvedOptions;
  readonly #folders: Folders;
  readonly #temporaries: Temporaries;
  #hardLinks = true;

  /** Throws INVALID_ARGUMENT for an empty path or one with NUL. */
  constructor(options: string | LocalBackendOptions) {
    this.#options = resolveOptions(options);
    this.location = this.#options.path;
    this.#folders = new Folders(this.#options);
    this.#temporaries = new Temporaries(this.#options, this.#folders);
  }

  get capabilities(): BackendCapabilities {
    return {
      exclusiveCreate: this.#hardLinks,
      durablePut: this.#folders.durable,
      maxObjectSize: bufferConstants.MAX_LENGTH,
      maxDeleteBatch: 1_000,
    };
  }

  async put(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    const { mode, signal } = options;
    signal?.throwIfAborted();
    checkPut(key, body, this.capabilities);
    try {
      const path = this.#pathOf(key);
      await this.#folders.ensure(dirname(path));
      // Twice: somebody may have cleared the folder of temporaries between writing and naming.
      if (!(await this.#tryPut(key, body, mode, signal)) && !(await this.#tryPut(key, body, mode, signal))) {
        throw Object.assign(new Error(`${path}: the temporary file vanished twice`), { code: 'ENOENT' });
      }
      await this.#folders.sync(dirname(path));
    } catch (error) {
      throw localError(error, { verb: 'put', key, location: this.location, signal });
    }
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array> {
    const { maxBytes, signal } = options;
    signal?.throwIfAborted();
    checkKey(key);
    const range = checkRange(key, options);
    try {
      const handle = await this.#options.fileSystem.open(this.#pathOf(key), READ);
      try {
        const found = await handle.stat();
        if (!found.isFile()) throw notFound(key);
        const { start, end } = resolveRange(key, found.size, range, maxBytes);
        return await readExactly(handle, key, start, end, signal);
      } finally {
        await handle.close();
      }
    } catch (error) {
      throw localError(error, { verb: 'get', key, location: this.location, signal });
    }
  }

  async stat(key: string, options: BackendCallOptions = {}): Promise<ObjectInfo> {
    const { signal } = options;
    signal?.throwIfAborted();
    checkKey(key);
    try {
      const found = await this.#options.fileSystem.stat(this.#pathOf(key));
      if (!found.isFile()) throw notFound(key);
      return { key, size: found.size, modifiedAt: found.mtime };
    } catch (error) {
      throw localError(error, { verb: 'stat', key, location: this.location, signal });
    }
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo, void, undefined> {
    const { startAfter, signal } = options;
    signal?.throwIfAborted();
    checkListing(prefix, startAfter);
    const { fileSystem, path: root } = this.#options;
    try {
      yield* objectsOf({ fileSystem, root, prefix, startAfter: startAfter ?? '', signal });
    } catch (error) {
      throw localError(error, { verb: 'list', key: prefix, location: this.location, signal });
    }
  }

  async delete(keys: readonly string[], options: BackendCallOptions = {}): Promise<void> {
    const { signal } = options;
    signal?.throwIfAborted();
    checkDelete(keys, this.capabilities);
    for (let at = 0; at < keys.length; at += DELETES_AT_ONCE) {
      signal?.throwIfAborted();
      // All of them are awaited: after a rejection nothing goes on in the background.
      const outcomes = await Promise.allSettled(
        keys.slice(at, at + DELETES_AT_ONCE).map((key) => this.#deleteOne(key)),
      );
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    }
  }

  /** Nothing is held between calls. */
  async [Symbol.asyncDispose](): Promise<void> {}

  #pathOf(key: string): string {
    return join(this.location, key);
  }

  /** Whether the object was stored: false when its temporary file was taken away meanwhile. */
  async #tryPut(
    key: string,
    body: Uint8Array,
    mode: PutOptions['mode'],
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const temporary = await this.#temporaries.write(body, signal);
    try {
      if (mode === 'create') await this.#create(temporary, key);
      else await this.#options.fileSystem.rename(temporary, this.#pathOf(key));
      return true;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || (await this.#isThere(temporary))) throw error;
      return false;
    } finally {
      await this.#temporaries.discard(temporary);
    }
  }

  async #create(temporary: string, key: string): Promise<void> {
    const path = this.#pathOf(key);
    try {
      if (this.#hardLinks) return await this.#options.fileSystem.link(temporary, path);
    } catch (error) {
      const errno = errnoOf(error) ?? '';
      if (errno === 'EEXIST') {
        // Network file systems may do it, lose the answer, and ask again.
        if ((await this.#options.fileSystem.stat(temporary)).nlink > 1) return;
        throw await this.#met(key, error);
      }
      if (!NO_HARD_LINKS.has(errno)) throw error;
    }
    if (await this.#isThere(path)) throw await this.#met(key);
    await this.#options.fileSystem.rename(temporary, path);
    // Only now: where rename fails too, it was a matter of permissions.
    this.#hardLinks = false;
  }

  /** What to throw when a create met something. It may have been deleted since. */
  async #met(key: string, cause?: unknown): Promise<unknown> {
    const path = this.#pathOf(key);
    if (await this.#isFolder(path)) return cause ?? Object.assign(new Error(`${path} is a folder`), { code: 'EISDIR' });
    await this.#folders.sync(dirname(path));
    return alreadyExists(key, cause);
  }

  async #deleteOne(key: string): Promise<void> {
    const path = this.#pathOf(key);
    try {
      await this.#options.fileSystem.unlink(path);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'EISDIR') return;
      // What some systems say of a folder, which is no object.
      if (errno === 'EPERM' && (await this.#isFolder(path))) return;
      throw localError(error, { verb: 'delete', key, location: this.location });
    }
  }

  async #isThere(path: string): Promise<boolean> {
    return this.#options.fileSystem.stat(path).then(
      () => true,
      () => false,
    );
  }

  async #isFolder(path: string): Promise<boolean> {
    return this.#options.fileSystem.stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    );
  }
}

/** The bytes from `start` to `end` (exclusive) in memory of their own. RANGE_INVALID if the file ends before. */
async function readExactly(
  handle: FileHandle,
  key: string,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(end - start).buffer);
  let filled = 0;
  while (filled < bytes.byteLength) {
    signal?.throwIfAborted();
    const wanted = Math.min(SLICE_BYTES, bytes.byteLength - filled);
    const { bytesRead } = await handle.read(bytes, filled, wanted, start + filled);
    if (bytesRead === 0) {
      throw rangeInvalid(key, `its file ended at byte ${start + filled}`, { offset: start, length: end - start });
    }
    filled += bytesRead;
  }
  return bytes;
}
