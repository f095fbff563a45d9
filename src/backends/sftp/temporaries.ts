/**
 * Objects that are being written. They stand in a folder of their own inside the repository, under names that no key can have
 * ("~" is not a character of keys), so that no listing can show them.
 *
 * A client that is killed leaves its temporaries behind, and nobody but its own machine could tell whether it lives. So the first
 * put of every instance removes what has not been written to for a day, by the server's clock. Safety does not rest on this: a
 * writer whose temporary is taken away meets a missing file when it wants to publish it, and writes it again.
 */
import { randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import { explain } from './explain.ts';
import type { Folders } from './folders.ts';
import type { ResolvedOptions } from './options.ts';
import type { Handle, Session } from './session.ts';
import { writeAll } from './transfer.ts';

/** The same as the local store's: a repository can be used on the server itself too. */
const TEMPORARY_FOLDER = '.~tmp';
const STALE_AFTER_MS = 24 * 60 * 60 * 1_000;
/**
 * The form in which the local store names its own (host, process, its start, random): so it can tell that these belong to somebody
 * whom it can't judge, and lets them live for a day too.
 */
const NAME = /^[0-9a-f]{16}\.\d+\.\d+\.[0-9a-f]+$/;
const US = `${randomBytes(8).toString('hex')}.${process.pid}.0`;

export class Temporaries {
  readonly #options: ResolvedOptions;
  readonly #folders: Folders;
  readonly #folder: string;
  #swept: Promise<void> | undefined;
  /** Those of ours that a lost connection kept us from removing. */
  readonly #left = new Set<string>();

  constructor(options: ResolvedOptions, folders: Folders) {
    this.#options = options;
    this.#folders = folders;
    this.#folder = posix.join(options.path, TEMPORARY_FOLDER);
  }

  /** A path that nobody else uses, for an object that has to make room. What stands there is never taken for stale. */
  pathAside(): string {
    return posix.join(this.#folder, `replaced.${randomBytes(8).toString('hex')}`);
  }

  /**
   * Writes `body` to a new file, which is on the server's disk when this resolves, and returns its path. The caller discards or
   * renames it. On failure, and when `signal` aborts, nothing is left.
   */
  async write(session: Session, body: Uint8Array, signal: AbortSignal | undefined): Promise<string> {
    await this.#folders.ensure(session, this.#folder);
    for (const left of this.#left) session.forget(this.discard(session, left));
    const path = posix.join(this.#folder, `${US}.${randomBytes(8).toString('hex')}`);
    try {
      const handle = await session.open(path, 'wx', this.#options.fileMode);
      this.#swept ??= this.#sweep(session, handle);
      await this.#fill(session, handle, body, signal);
      await this.#swept;
    } catch (error) {
      const explained = await explain(session, error, this.#folder, body.byteLength);
      await this.discard(session, path);
      throw explained;
    }
    return path;
  }

  /** Removes a file that `write` made. What can't be removed now is removed by a later put, or stale some day: this never fails. */
  async discard(session: Session, path: string): Promise<void> {
    this.#left.delete(path);
    await session.unlink(path).catch(() => {
      if (session.isLost) this.#left.add(path);
    });
  }

  async #fill(session: Session, handle: Handle, body: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    let isWritten = false;
    try {
      await writeAll(session, handle, body, signal);
      signal?.throwIfAborted();
      isWritten = true;
    } finally {
      if (!isWritten) session.forget(session.close(handle));
    }
    // One after the other on the server, whether it works in order or fails the second.
    const synced = this.#options.fsync && session.extensions.fsync ? session.fsync(handle) : undefined;
    const outcomes = await Promise.allSettled([synced, session.close(handle)]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** `fresh` has just been made: its time is the server's. Never fails: this is a courtesy. */
  async #sweep(session: Session, fresh: Handle): Promise<void> {
    try {
      const now = (await session.fstat(fresh)).modifiedAt.getTime();
      const stale = (await session.readFolder(this.#folder)).filter(
        ({ name, info }) => NAME.test(name) && now - info.modifiedAt.getTime() > STALE_AFTER_MS,
      );
      for (const { name } of stale) await this.discard(session, posix.join(this.#folder, name));
    } catch {
      // The next instance tries again.
    }
  }
}
