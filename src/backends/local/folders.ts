/** Folders that are there to stay: made, and their names synced to the disk, once per instance. */
import { dirname } from 'node:path';
import { errnoOf } from './errors.ts';
import type { ResolvedOptions } from './options.ts';

// Said by systems and file systems on which a folder can't be synced.
const NO_FOLDER_SYNC = new Set(['EACCES', 'EBADF', 'EINVAL', 'EISDIR', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EPERM']);

export class Folders {
  readonly #options: ResolvedOptions;
  readonly #ready = new Map<string, Promise<void>>();
  #durable: boolean;

  constructor(options: ResolvedOptions) {
    this.#options = options;
    // Windows can't sync a folder at all, and opening one is an error there.
    this.#durable = options.fsync && process.platform !== 'win32';
  }

  /** Whether the name of every file that was put so far survives power loss. */
  get durable(): boolean {
    return this.#durable;
  }

  /**
   * Makes a folder inside the repository, and the folders above it. What was once there is never made again: a folder that
   * vanishes while in use is an unplugged or unmounted disk more often than anything else, and the disk beneath must not
   * silently get the rest of a backup.
   */
  ensure(folder: string): Promise<void> {
    let ready = this.#ready.get(folder);
    if (ready === undefined) {
      ready = folder === this.#options.path ? this.#makeRoot() : this.#make(folder);
      this.#ready.set(folder, ready);
      // A failure is told to those who wait for it, and tried again by those who come later.
      ready.catch(() => this.#ready.delete(folder));
    }
    return ready;
  }

  /** Brings the names in a folder to the disk. Where the system can't do that, `durable` turns false. */
  async sync(folder: string): Promise<void> {
    if (!this.#durable) return;
    try {
      const handle = await this.#options.fileSystem.open(folder, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    } catch (error) {
      if (!NO_FOLDER_SYNC.has(errnoOf(error) ?? '')) throw error;
      this.#durable = false;
    }
  }

  async #make(folder: string): Promise<void> {
    const parent = dirname(folder);
    await this.ensure(parent);
    try {
      await this.#options.fileSystem.mkdir(folder, { mode: this.#options.directoryMode });
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    // Also when it was there: another process may have made it a moment ago and not have come to this line.
    await this.sync(parent);
  }

  async #makeRoot(): Promise<void> {
    const { fileSystem, path, directoryMode } = this.#options;
    const first = await fileSystem
      .mkdir(path, { recursive: true, mode: directoryMode })
      .catch(async (error: unknown) => {
        // What Node says of a read-only file system, too; a plain mkdir tells which it is.
        if (errnoOf(error) === 'ENOENT') await fileSystem.mkdir(path, { mode: directoryMode });
        throw error;
      });
    if (first === undefined) return;
    for (let folder = path; folder.length >= first.length; folder = dirname(folder)) await this.sync(dirname(folder));
  }
}
