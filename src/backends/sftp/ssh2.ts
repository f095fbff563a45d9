/**
 * ssh2, as far as it is used here, in types of our own: the declarations of this package must also compile where ssh2, an
 * optional peer dependency, is not installed.
 */
import type { Duplex } from 'node:stream';
import { PackvaultError } from '../../core/errors.ts';

export type Answer<T> = (error: Error | null | undefined, value: T) => void;

/** What a server tells of a file. SFTP v3 lets it leave out any of it. */
export interface Attributes {
  readonly mode?: number | undefined;
  readonly size?: number | undefined;
  /** In seconds since 1970. */
  readonly mtime?: number | undefined;
}

/** What a server tells of the file system that holds a file. */
export interface FileSystemStatus {
  /** In bytes; what the next two are counted in. */
  readonly f_frsize: number;
  readonly f_bavail: number;
  /** Files that can still be made; 0 also where they are not counted, as `f_files` then is. */
  readonly f_favail: number;
  readonly f_files: number;
  readonly f_flag: number;
}

/** A session of SFTP, as ssh2 has it. */
export interface SftpChannel {
  on(event: 'close' | 'error', listener: (error?: Error) => void): unknown;
  end(): void;
  open(path: string, flags: 'r' | 'wx', attributes: { mode: number }, answer: Answer<Buffer>): void;
  close(handle: Buffer, answer: Answer<void>): void;
  read(handle: Buffer, into: Buffer, at: number, length: number, position: number, answer: Answer<number>): void;
  write(handle: Buffer, from: Buffer, at: number, length: number, position: number, answer: Answer<void>): void;
  fstat(handle: Buffer, answer: Answer<Attributes>): void;
  stat(path: string, answer: Answer<Attributes>): void;
  opendir(path: string, answer: Answer<Buffer>): void;
  readdir(
    handle: Buffer,
    options: { full: true },
    answer: Answer<readonly { readonly filename: string; readonly attrs: Attributes }[]>,
  ): void;
  mkdir(path: string, attributes: { mode: number }, answer: Answer<void>): void;
  unlink(path: string, answer: Answer<void>): void;
  rename(from: string, to: string, answer: Answer<void>): void;
  ext_openssh_rename(from: string, to: string, answer: Answer<void>): void;
  ext_openssh_hardlink(from: string, to: string, answer: Answer<void>): void;
  ext_openssh_fsync(handle: Buffer, answer: Answer<void>): void;
  ext_openssh_statvfs(path: string, answer: Answer<FileSystemStatus>): void;
}

/** A `Client` of ssh2 that is connected and logged in. */
export interface SshClientLike {
  /** The channel is an `SftpChannel`; the types of ssh2 tell it in another way. */
  sftp(answer: (error: Error | undefined, channel: unknown) => void): unknown;
  setNoDelay(noDelay: boolean): unknown;
  end(): unknown;
}

/** A way to log in, as ssh2's `authHandler` takes it. */
export type Login =
  | { readonly type: 'agent'; readonly username: string; readonly agent: string }
  | {
      readonly type: 'publickey';
      readonly username: string;
      readonly key: Buffer;
      readonly passphrase?: string | Buffer;
    }
  | { readonly type: 'password'; readonly username: string; readonly password: string }
  | {
      readonly type: 'keyboard-interactive';
      readonly username: string;
      prompt(
        name: string,
        instructions: string,
        language: string,
        prompts: readonly { readonly echo?: boolean }[],
        finish: (answers: string[]) => void,
      ): void;
    };

/** A `Client` of ssh2 that connects. */
export interface ConnectingClient extends SshClientLike {
  on(event: 'ready' | 'close' | 'error', listener: (error?: Error & { readonly level?: string }) => void): unknown;
  connect(settings: {
    readonly sock: Duplex;
    readonly username: string;
    readonly authHandler: readonly Login[];
    readonly readyTimeout: 0;
    readonly hostVerifier?: (key: Buffer) => boolean;
    readonly algorithms?: { readonly serverHostKey: readonly string[] };
  }): unknown;
}

export interface Ssh2 {
  readonly Client: new () => ConnectingClient;
  readonly utils: { parseKey(key: Buffer, passphrase?: string | Buffer): Error | object };
}

/** Loads ssh2. UNSUPPORTED if it is not installed. */
export async function loadSsh2(): Promise<Ssh2> {
  try {
    return (await import('ssh2')).default as unknown as Ssh2;
  } catch (error) {
    throw new PackvaultError({
      code: 'UNSUPPORTED',
      message:
        'The SFTP store needs the package ssh2, which could not be loaded. Nothing was read or written. Install it: npm install ssh2',
      cause: error,
    });
  }
}
