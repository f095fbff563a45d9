/** One session of SFTP on one connection: requests as promises, none of which is ever left without an answer. */
import { PackvaultError } from '../../core/errors.ts';
import { isAbsence, STATUS, statusOf } from './errors.ts';
import type { Answer, Attributes, FileSystemStatus, SftpChannel } from './ssh2.ts';

export type Handle = Buffer;

export interface FileInfo {
  readonly isFile: boolean;
  readonly isFolder: boolean;
  readonly isLink: boolean;
  /** In bytes. */
  readonly size: number;
  readonly modifiedAt: Date;
}

/** A name in a folder. `info` is of the link itself where it is one. */
export interface FolderItem {
  readonly name: string;
  readonly info: FileInfo;
}

/** What this server has beyond SFTP v3. */
export interface Extensions {
  /** Names a file once more, and refuses a name that is taken. */
  readonly hardLink: boolean;
  /** Renames onto a name that is taken. */
  readonly posixRename: boolean;
  readonly fsync: boolean;
  readonly statvfs: boolean;
}

/** What holds the session up, and is told how it fares. */
export interface Carrier {
  /** For messages. */
  readonly location: string;
  readonly idleTimeoutMs: number;
  /** Whether answers are awaited: only then does the connection keep the process alive. */
  setBusy(busy: boolean): void;
  /** Ends the connection, politely or (`now`) at once. Resolves when it has ended. */
  end(now: boolean): Promise<void>;
}

// For a version of ssh2 that keeps to itself what the server takes.
const SURE_PIECE_BYTES = 31 * 1024;
// ssh2 takes no longer packets, whatever the server is willing to send.
const MAX_PIECE_BYTES = 255 * 1024;
// ssh2 lets a server send 2 MiB before it confirms: on a line of 100 ms that would be 20 MB/s at best. It is told once that it may
// send so much more (RFC 4254 §5.2). What is sent is no more than what reads ask for.
const FURTHER_WINDOW_BYTES = 14 * 1024 * 1024;
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

/** What ssh2 keeps to itself: what it learnt from the server, and the channel's flow control. */
interface Negotiated {
  readonly _extensions?: Readonly<Record<string, string>>;
  readonly _maxReadLen?: number;
  readonly _maxWriteLen?: number;
  readonly outgoing?: { readonly id: number };
  readonly _protocol?: { readonly channelWindowAdjust?: (channel: number, bytes: number) => void };
}

/**
 * ssh2 never calls back for what is asked after a connection died, and doesn't notice one that fell silent. So every request
 * stands in a list here, and all of them fail when the session ends or when the server answers none of them for a while.
 */
export class Session {
  readonly extensions: Extensions;
  /** How many bytes one request can read, and write. */
  readonly pieceBytes: { readonly read: number; readonly write: number };
  readonly #channel: SftpChannel;
  readonly #carrier: Carrier;
  readonly #waiting = new Set<(reason: PackvaultError) => void>();
  readonly #onLost: (() => void)[] = [];
  #stallTimer: NodeJS.Timeout | undefined;
  #lost: PackvaultError | undefined;

  constructor(channel: SftpChannel, carrier: Carrier) {
    this.#channel = channel;
    this.#carrier = carrier;
    const { _extensions = {}, _maxReadLen, _maxWriteLen, _protocol, outgoing } = channel as Negotiated;
    this.extensions = {
      hardLink: _extensions['hardlink@openssh.com'] === '1',
      posixRename: _extensions['posix-rename@openssh.com'] === '1',
      fsync: _extensions['fsync@openssh.com'] === '1',
      statvfs: _extensions['statvfs@openssh.com'] === '2',
    };
    this.pieceBytes = {
      read: Math.min(_maxReadLen ?? SURE_PIECE_BYTES, MAX_PIECE_BYTES),
      write: Math.min(_maxWriteLen ?? SURE_PIECE_BYTES, MAX_PIECE_BYTES),
    };
    channel.on('close', () => this.fail(connectionLost(carrier.location)));
    channel.on('error', (error) => this.fail(connectionLost(carrier.location, error)));
    carrier.setBusy(false);
    if (outgoing !== undefined) _protocol?.channelWindowAdjust?.(outgoing.id, FURTHER_WINDOW_BYTES);
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** Calls `listener` when the session has ended, for whatever reason; at once if it has. */
  onLost(listener: () => void): void {
    if (this.#lost === undefined) this.#onLost.push(listener);
    else listener();
  }

  /** Gives the session up, with its connection. All requests without an answer, and all later ones, fail with `reason`. */
  fail(reason: PackvaultError): void {
    if (this.#lost !== undefined) return;
    this.#lose(reason);
    void this.#carrier.end(true);
  }

  /** Ends the session and its connection. What is still asked for fails with `reason`. */
  async end(reason: PackvaultError): Promise<void> {
    if (this.#lost !== undefined) return;
    this.#lose(reason);
    await this.#carrier.end(false);
  }

  /** `wx` makes a file and refuses a name that is taken; `mode` are its permission bits. */
  async open(path: string, flags: 'r' | 'wx', mode = 0): Promise<Handle> {
    return this.#ask((channel, answer) => channel.open(path, flags, { mode }, answer));
  }

  async close(handle: Handle): Promise<void> {
    return this.#ask((channel, answer) => channel.close(handle, answer));
  }

  /** Reads into `into` from `at` on, and returns how many bytes came: fewer than `length`, 0 at the end of the file. */
  async read(handle: Handle, into: Buffer, at: number, length: number, position: number): Promise<number> {
    return this.#ask((channel, answer) => channel.read(handle, into, at, length, position, answer));
  }

  /** The bytes are copied before this returns its promise. */
  async write(handle: Handle, from: Buffer, at: number, length: number, position: number): Promise<void> {
    return this.#ask((channel, answer) => channel.write(handle, from, at, length, position, answer));
  }

  async fstat(handle: Handle): Promise<FileInfo> {
    return infoOf(await this.#ask<Attributes>((channel, answer) => channel.fstat(handle, answer)));
  }

  /** Follows links. */
  async stat(path: string): Promise<FileInfo> {
    return infoOf(await this.#ask<Attributes>((channel, answer) => channel.stat(path, answer)));
  }

  /** As `stat`; `undefined` if nothing is there. */
  async look(path: string): Promise<FileInfo | undefined> {
    try {
      return await this.stat(path);
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  async mkdir(path: string, mode: number): Promise<void> {
    return this.#ask((channel, answer) => channel.mkdir(path, { mode }, answer));
  }

  async unlink(path: string): Promise<void> {
    return this.#ask((channel, answer) => channel.unlink(path, answer));
  }

  /** Whether a name that is taken is refused or replaced differs between servers. */
  async rename(from: string, to: string): Promise<void> {
    return this.#ask((channel, answer) => channel.rename(from, to, answer));
  }

  async posixRename(from: string, to: string): Promise<void> {
    return this.#ask((channel, answer) => channel.ext_openssh_rename(from, to, answer));
  }

  async hardLink(from: string, to: string): Promise<void> {
    return this.#ask((channel, answer) => channel.ext_openssh_hardlink(from, to, answer));
  }

  async fsync(handle: Handle): Promise<void> {
    return this.#ask((channel, answer) => channel.ext_openssh_fsync(handle, answer));
  }

  async statvfs(path: string): Promise<FileSystemStatus> {
    return this.#ask((channel, answer) => channel.ext_openssh_statvfs(path, answer));
  }

  /** What is in a folder, in any order, without "." and "..". Nothing if it is not there, or is no folder. */
  async readFolder(path: string): Promise<readonly FolderItem[]> {
    let handle: Handle;
    try {
      handle = await this.#ask<Handle>((channel, answer) => channel.opendir(path, answer));
    } catch (error) {
      if (isAbsence(error) || (statusOf(error) === STATUS.FAILURE && (await this.look(path))?.isFolder !== true))
        return [];
      throw error;
    }
    try {
      return await this.#readItems(handle);
    } finally {
      this.forget(this.close(handle));
    }
  }

  /** Lets a request end on its own: what it answers is of no consequence. */
  forget(request: Promise<unknown>): void {
    request.catch(() => undefined);
  }

  async #readItems(handle: Handle): Promise<FolderItem[]> {
    const items: FolderItem[] = [];
    for (;;) {
      // Two at once: most folders fit into the first answer, and the second one says that this was all.
      const batches = await Promise.all([this.#readBatch(handle), this.#readBatch(handle)]);
      for (const batch of batches) items.push(...(batch ?? []));
      if (batches.includes(undefined)) return items;
    }
  }

  /** `undefined` at the end of the folder. */
  async #readBatch(handle: Handle): Promise<FolderItem[] | undefined> {
    try {
      const found = await this.#ask<readonly { readonly filename: string; readonly attrs: Attributes }[]>(
        (channel, answer) => channel.readdir(handle, { full: true }, answer),
      );
      // An empty answer is no answer that a server may give; asking on would not end.
      if (found.length === 0) return undefined;
      return found
        .filter(({ filename }) => filename !== '.' && filename !== '..')
        .map(({ filename, attrs }) => ({ name: filename, info: infoOf(attrs) }));
    } catch (error) {
      if (statusOf(error) === STATUS.EOF) return undefined;
      throw error;
    }
  }

  #lose(reason: PackvaultError): void {
    this.#lost = reason;
    clearTimeout(this.#stallTimer);
    for (const reject of this.#waiting) reject(reason);
    this.#waiting.clear();
    for (const listener of this.#onLost.splice(0)) listener();
  }

  async #ask<T>(send: (channel: SftpChannel, answer: Answer<T>) => void): Promise<T> {
    if (this.#lost !== undefined) throw this.#lost;
    return new Promise((resolve, reject) => {
      this.#begin(reject);
      const answer: Answer<T> = (error, value) => {
        if (!this.#waiting.delete(reject)) return;
        this.#proceed();
        if (error === undefined || error === null) return resolve(value);
        if (statusOf(error) !== undefined) return reject(error);
        // Not a word from the server but from ssh2: the connection died, or what came is not SFTP.
        const lost = connectionLost(this.#carrier.location, error);
        reject(lost);
        this.fail(lost);
      };
      try {
        send(this.#channel, answer);
      } catch (error) {
        answer(error instanceof Error ? error : new Error(String(error)), undefined as T);
      }
    });
  }

  #begin(reject: (reason: PackvaultError) => void): void {
    this.#waiting.add(reject);
    if (this.#waiting.size > 1) return;
    this.#carrier.setBusy(true);
    const { location, idleTimeoutMs } = this.#carrier;
    this.#stallTimer = setTimeout(() => this.fail(stalled(location, idleTimeoutMs)), idleTimeoutMs);
  }

  /** After an answer: the time for the next one begins. */
  #proceed(): void {
    if (this.#waiting.size > 0) {
      this.#stallTimer?.refresh();
      return;
    }
    clearTimeout(this.#stallTimer);
    this.#carrier.setBusy(false);
  }
}

function infoOf({ mode, size, mtime }: Attributes): FileInfo {
  // A server that tells no type has told a size: then it is a file.
  const type = mode === undefined ? S_IFREG : mode & S_IFMT;
  return {
    isFile: type === S_IFREG && size !== undefined,
    isFolder: type === S_IFDIR,
    isLink: type === S_IFLNK,
    size: size ?? 0,
    modifiedAt: new Date((mtime ?? 0) * 1_000),
  };
}

/** UNAVAILABLE: the connection is gone. */
function connectionLost(location: string, cause?: unknown): PackvaultError {
  return new PackvaultError({
    code: 'UNAVAILABLE',
    message: `The connection to ${location} was lost. No part of an object is visible. The same call may be repeated: it connects again.`,
    context: { location },
    ...(cause !== undefined && { cause }),
  });
}

function stalled(location: string, idleTimeoutMs: number): PackvaultError {
  return new PackvaultError({
    code: 'UNAVAILABLE',
    message: `${location} has not answered for ${idleTimeoutMs} ms, so the connection was given up. No part of an object is visible. The same call may be repeated: it connects again.`,
    context: { location, idleTimeoutMs },
  });
}
