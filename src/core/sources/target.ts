/** A file that appears under its name only when it is whole. */
import { randomBytes } from 'node:crypto';
import { type FileHandle, link, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type ErrorCode, PackvaultError } from '../errors.ts';

export class FileTarget {
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: FileHandle;
  readonly #overwrite: boolean;

  private constructor(path: string, temporary: string, file: FileHandle, overwrite: boolean) {
    this.#path = path;
    this.#temporary = temporary;
    this.#file = file;
    this.#overwrite = overwrite;
  }

  /** Opens a temporary file beside `path`. ALREADY_EXISTS if `path` is there and must stay. */
  static async create(path: string, overwrite: boolean): Promise<FileTarget> {
    if (typeof path !== 'string' || path === '' || path.includes('\0')) {
      throw refuse('INVALID_ARGUMENT', 'Give the path of a file to restore to. Nothing was written.');
    }
    const present = await stat(path).catch(() => undefined);
    if (present?.isDirectory() === true) {
      throw refuse('INVALID_ARGUMENT', `${path} is a folder; give a file name. Nothing was written.`);
    }
    // A rename would put a file in the place of the device or pipe.
    if (present?.isFile() === false) {
      throw refuse(
        'INVALID_ARGUMENT',
        `${path} is no regular file; restore() gives a stream for it. Nothing was written.`,
      );
    }
    if (present !== undefined && !overwrite) throw exists(path);
    // The random part keeps two restores to one place apart; the name is short enough for any file system.
    const temporary = join(dirname(path), `.${basename(path).slice(0, 48)}.${randomBytes(6).toString('hex')}.part`);
    try {
      // Whoever may not read the file that is replaced may not read the new one either.
      const mode = present === undefined ? 0o666 : present.mode & 0o777;
      return new FileTarget(path, temporary, await open(temporary, 'wx', mode), overwrite);
    } catch (cause) {
      throw fileError(cause, path);
    }
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        done += (await this.#file.write(bytes, done, bytes.byteLength - done, offset + done)).bytesWritten;
      }
    } catch (cause) {
      throw fileError(cause, this.#path);
    }
  }

  /** Syncs the file and gives it its name. */
  async finish(): Promise<void> {
    try {
      await this.#file.sync();
      await this.#file.close();
      if (this.#overwrite) await rename(this.#temporary, this.#path);
      else await this.#claim();
      await syncFolder(dirname(this.#path));
    } catch (cause) {
      throw PackvaultError.is(cause) ? cause : fileError(cause, this.#path);
    }
  }

  /** A link fails where a rename would replace what somebody else has put there meanwhile. */
  async #claim(): Promise<void> {
    try {
      await link(this.#temporary, this.#path);
      await rm(this.#temporary);
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code;
      if (code === 'EEXIST') throw exists(this.#path);
      if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP') throw cause;
      await rename(this.#temporary, this.#path);
    }
  }

  /** Removes what was written. Never throws. */
  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await rm(this.#temporary, { force: true }).catch(() => undefined);
  }
}

// Said where a folder can't be opened or synced at all; the file is there all the same.
const NO_FOLDER_SYNC = new Set(['EACCES', 'EBADF', 'EINVAL', 'EISDIR', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EPERM']);

/** Brings a new name in a folder to the disk. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (error) {
    if (!NO_FOLDER_SYNC.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

function refuse(code: ErrorCode, message: string, cause?: unknown): PackvaultError {
  return new PackvaultError({ code, message, ...(cause !== undefined && { cause }) });
}

function exists(path: string): PackvaultError {
  return refuse(
    'ALREADY_EXISTS',
    `${path} is there already and was not touched. Give another name, or allow overwriting.`,
  );
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'OUT_OF_SPACE',
  EDQUOT: 'OUT_OF_SPACE',
  EACCES: 'PERMISSION_DENIED',
  EPERM: 'PERMISSION_DENIED',
  EROFS: 'PERMISSION_DENIED',
  ENOENT: 'NOT_FOUND',
  ENOTDIR: 'NOT_FOUND',
};

function fileError(cause: unknown, path: string): PackvaultError {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const text = `${path} could not be written: ${message}. The repository is not touched, and no partial file was left.`;
  return refuse(CODES[code] ?? 'UNAVAILABLE', text, cause);
}
