/**
 * Objects that are being written. They stand in a folder of their own inside the repository, under names that no key can have
 * ("~" is not a character of keys), so that no listing can show them.
 *
 * A process that is killed leaves its temporaries behind. The first put of every instance removes those whose owner is dead,
 * which their name tells without a clock (owner.ts). Of owners that cannot be judged (another machine, an earlier boot, a
 * container that is gone) it removes what has not been written to for a day, by the file system's own clock. Safety does not
 * rest on this: a writer whose temporary is taken away meets a missing file when it wants to publish it, and writes it again.
 */
import { randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Folders } from './folders.ts';
import type { ResolvedOptions } from './options.ts';
import { judge, ownerOf, self, temporaryName } from './owner.ts';

/** Name of the folder. */
const TEMPORARY_FOLDER = '.~tmp';

const STALE_AFTER_MS = 24 * 60 * 60 * 1_000;
// Between two slices an abort is noticed.
const SLICE_BYTES = 4 * 1024 * 1024;

export class Temporaries {
  readonly #options: ResolvedOptions;
  readonly #folders: Folders;
  readonly #folder: string;
  #swept: Promise<void> | undefined;

  constructor(options: ResolvedOptions, folders: Folders) {
    this.#options = options;
    this.#folders = folders;
    this.#folder = join(options.path, TEMPORARY_FOLDER);
  }

  /**
   * Writes `body` to a new file, which is on the disk when this resolves, and returns its path. The caller discards it. On
   * failure, and when `signal` aborts, nothing is left.
   */
  async write(body: Uint8Array, signal: AbortSignal | undefined): Promise<string> {
    await this.#folders.ensure(this.#folder);
    const path = join(this.#folder, temporaryName(await self(), randomBytes(8).toString('hex')));
    const handle = await this.#options.fileSystem.open(path, 'wx', this.#options.fileMode);
    try {
      await this.#fill(handle, body, signal);
    } catch (error) {
      await this.discard(path);
      throw error;
    }
    return path;
  }

  /** Removes a file that `write` made. What can't be removed now is stale later, so this never fails. */
  async discard(path: string): Promise<void> {
    await this.#options.fileSystem.unlink(path).catch(() => undefined);
  }

  async #fill(handle: FileHandle, body: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    try {
      // Before the first byte: on a full disk, what dead processes left may be what is missing.
      this.#swept ??= this.#sweep((await handle.stat()).mtimeMs);
      await this.#swept;
      let written = 0;
      while (written < body.byteLength) {
        signal?.throwIfAborted();
        const slice = body.subarray(written, written + SLICE_BYTES);
        written += (await handle.write(slice, 0, slice.byteLength, written)).bytesWritten;
      }
      signal?.throwIfAborted();
      if (this.#options.fsync) await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** `now` in milliseconds, as the file system just dated a file of ours. Never fails: it is a courtesy. */
  async #sweep(now: number): Promise<void> {
    const names = await this.#options.fileSystem.readdir(this.#folder).catch(() => []);
    for (const name of names) {
      const path = join(this.#folder, name);
      if (await this.#isStale(name, path, now).catch(() => false)) await this.discard(path);
    }
  }

  async #isStale(name: string, path: string, now: number): Promise<boolean> {
    const owner = ownerOf(name);
    if (owner === undefined) return false;
    const verdict = await judge(owner, await self());
    if (verdict !== 'unknown') return verdict === 'dead';
    const { mtimeMs } = await this.#options.fileSystem.stat(path);
    return now - mtimeMs > STALE_AFTER_MS;
  }
}
