/** Folders that are there to stay: made, and their names synced to the server's disk, once per instance. */
import { posix } from 'node:path';
import { ExplainedRefusal, statusOf } from './errors.ts';
import type { ResolvedOptions } from './options.ts';
import { explain } from './explain.ts';
import type { Session } from './session.ts';

export class Folders {
  readonly #options: ResolvedOptions;
  readonly #ready = new Map<string, Promise<void>>();
  #durable: boolean;

  constructor(options: ResolvedOptions) {
    this.#options = options;
    this.#durable = options.fsync;
  }

  /** Whether the name of every file that was put so far survives power loss, as far as the server tells. */
  get durable(): boolean {
    return this.#durable;
  }

  /** Takes note of what a server has. */
  meet(session: Session): void {
    if (!session.extensions.fsync) this.#durable = false;
  }

  /**
   * Makes a folder inside the repository, and the folders above it. What was once there is never made again: a folder that
   * vanishes while in use is an unmounted disk more often than anything else, and the disk beneath must not silently get the
   * rest of a backup.
   */
  async ensure(session: Session, folder: string): Promise<void> {
    let ready = this.#ready.get(folder);
    if (ready === undefined) {
      ready = this.#make(session, folder);
      this.#ready.set(folder, ready);
      // A failure is told to those who wait for it, and tried again by those who come later.
      ready.catch(() => this.#ready.delete(folder));
    }
    return ready;
  }

  /** Brings the names in a folder to the disk. Where the server can't do that, `durable` turns false. */
  async sync(session: Session, folder: string): Promise<void> {
    if (!this.#durable) return;
    try {
      const handle = await session.open(folder, 'r');
      try {
        await session.fsync(handle);
      } finally {
        session.forget(session.close(handle));
      }
    } catch (error) {
      // A refusal: some servers open no folder as OpenSSH does.
      if (statusOf(error) === undefined) throw error;
      this.#durable = false;
    }
  }

  async #make(session: Session, folder: string): Promise<void> {
    const found = await session.look(folder);
    if (found !== undefined && !found.isFolder) throw new ExplainedRefusal('occupied');
    const parent = posix.dirname(folder);
    if (found === undefined) {
      if (parent !== folder) await this.ensure(session, parent);
      await this.#makeOne(session, folder);
    } else if (!this.#isInside(folder)) {
      return;
    }
    // Also when it was there: another client may have made it a moment ago and not have come to this line.
    await this.sync(session, parent);
  }

  /** Whether it is the repository's own, neither its root nor above it. */
  #isInside(folder: string): boolean {
    const { path: root } = this.#options;
    return folder !== root && folder !== '.' && folder !== '/' && !root.startsWith(`${folder}/`);
  }

  async #makeOne(session: Session, folder: string): Promise<void> {
    try {
      await session.mkdir(folder, this.#options.directoryMode);
    } catch (error) {
      const found = await session.look(folder);
      if (found?.isFolder === true) return;
      throw found === undefined
        ? await explain(session, error, posix.dirname(folder), 0)
        : new ExplainedRefusal('occupied', error);
    }
  }
}
