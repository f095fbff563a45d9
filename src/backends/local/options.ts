/** What a local backend can be told. */
import nodeFileSystem from 'node:fs/promises';
import { resolve } from 'node:path';
import { PackvaultError } from '../../core/errors.ts';

/** The calls that the backend makes to the operating system, as `node:fs/promises` has them. */
export type FileSystem = Pick<
  typeof nodeFileSystem,
  'link' | 'mkdir' | 'open' | 'readdir' | 'rename' | 'stat' | 'unlink'
>;

export interface LocalBackendOptions {
  /** The folder, absolute or relative to the working directory. The first put creates it; it may be a link to a folder. */
  readonly path: string;
  /**
   * Default true: a put resolves when its object and name are on the disk. With false a power loss can take back the last
   * puts, or leave empty files in their place.
   */
  readonly fsync?: boolean;
  /** Permission bits of new files before the umask, default 0o600. */
  readonly fileMode?: number;
  /** Permission bits of new folders before the umask, default 0o700. */
  readonly directoryMode?: number;
  /** Stands between the backend and the operating system, for tests of their quarrels. Default `node:fs/promises`. */
  readonly fileSystem?: FileSystem;
}

/** All options, checked; `path` absolute. */
export type ResolvedOptions = Required<LocalBackendOptions>;

/** Throws INVALID_ARGUMENT for a path that can't be one. Does no I/O. */
export function resolveOptions(given: string | LocalBackendOptions): ResolvedOptions {
  const options = typeof given === 'string' ? { path: given } : given;
  if (typeof options.path !== 'string' || options.path === '' || options.path.includes('\0')) {
    throw new PackvaultError({
      code: 'INVALID_ARGUMENT',
      message: 'A local backend needs the path of a folder: not empty, without NUL. Nothing was read or written.',
    });
  }
  return {
    fsync: true,
    fileMode: 0o600,
    directoryMode: 0o700,
    fileSystem: nodeFileSystem,
    ...options,
    path: resolve(options.path),
  };
}
