/** What an SFTP backend can be told. */
import { userInfo } from 'node:os';
import { PackvaultError } from '../../core/errors.ts';
import { formatLocation } from './location.ts';
import type { SshClientLike } from './ssh2.ts';

interface CommonOptions {
  /**
   * The folder, as the server names it: absolute, or relative to the folder in which a session starts, which is most often the
   * user's home (`~/` says the same). The first put creates it.
   */
  readonly path: string;
  /**
   * Default true: a put resolves when its object and name are on the server's disk, if the server can be asked for that
   * (`fsync@openssh.com`). With false a power loss of the server can take back the last puts.
   */
  readonly fsync?: boolean;
  /** Permission bits of new files before the server's umask, default 0o600. */
  readonly fileMode?: number;
  /** Permission bits of new folders before the server's umask, default 0o700. */
  readonly directoryMode?: number;
  /** Connections at most, default 4. Further ones than the first are opened for large objects that are moved at the same time. */
  readonly connections?: number;
  /** How long a server may stay silent when it has something to answer, in milliseconds, default 60,000. */
  readonly idleTimeoutMs?: number;
}

/**
 * How to reach and enter a server. Without `privateKey`, `privateKeyPath`, `password` and `agent`, a login is tried with the
 * keys of ssh-agent (`SSH_AUTH_SOCK`), then with `~/.ssh/id_ed25519`, `id_ecdsa` and `id_rsa` as far as they need no passphrase;
 * with any of the four, with these alone. `~/.ssh/config` is not read: give the real host name, port and user here.
 */
export interface SftpBackendOptions extends CommonOptions {
  /** Name or address; an IPv6 address with or without brackets. */
  readonly host: string;
  /** Default 22. */
  readonly port?: number;
  /** Default: the user who runs this process. */
  readonly user?: string;
  /** The key itself, as in its file. */
  readonly privateKey?: string | Uint8Array;
  readonly privateKeyPath?: string;
  /** Of the private key. */
  readonly passphrase?: string | Uint8Array;
  /** Also answers a server that asks for it interactively. */
  readonly password?: string;
  /** Socket of an ssh-agent. */
  readonly agent?: string;
  /**
   * The server's key, or several that are right: a public key (`ssh-ed25519 AAAA…`) or a fingerprint (`SHA256:…`). No other is
   * accepted, and known_hosts is not read.
   */
  readonly hostKey?: string | readonly string[];
  /**
   * A file of known hosts instead of `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`. `false` accepts every server: whoever
   * stands between can then read the password, delete the repository and, unless it is encrypted, read it.
   */
  readonly knownHosts?: string | false;
  /** How long a connection may take until files can be asked for, in milliseconds, default 20,000. */
  readonly connectTimeoutMs?: number;
}

/** A server that somebody else reaches, for example through another host. */
export interface SftpClientOptions extends CommonOptions {
  /**
   * A `Client` of ssh2 that is logged in: used until its connection is lost, and never ended. Or a function that makes one:
   * called for each connection that is needed, also after one was lost; these clients are ended with the backend.
   */
  readonly client: SshClientLike | (() => SshClientLike | Promise<SshClientLike>);
  /** For people and logs, default `sftp:` and the path. It should not tell a secret. */
  readonly location?: string;
}

/** All options, checked. */
export interface ResolvedOptions extends Required<CommonOptions> {
  readonly location: string;
  readonly target: Target | SftpClientOptions;
}

/** How to reach and enter a server, checked. */
export type Target = Omit<SftpBackendOptions, keyof CommonOptions> &
  Required<Pick<SftpBackendOptions, 'host' | 'port' | 'user' | 'connectTimeoutMs'>>;

const DEFAULT_PORT = 22;

/** Throws INVALID_ARGUMENT for what can't be right. Does no I/O. */
export function resolveOptions(given: SftpBackendOptions | SftpClientOptions): ResolvedOptions {
  const common = {
    path: pathOf(given.path),
    fsync: given.fsync ?? true,
    fileMode: given.fileMode ?? 0o600,
    directoryMode: given.directoryMode ?? 0o700,
    connections: wholeNumber('connections', given.connections ?? 4, 64),
    idleTimeoutMs: wholeNumber('idleTimeoutMs', given.idleTimeoutMs ?? 60_000, 2 ** 31 - 1),
  };
  if ('client' in given) {
    // A ready client is one connection; nobody here can make another.
    const connections = typeof given.client === 'function' ? common.connections : 1;
    return { ...common, connections, location: given.location ?? `sftp:${common.path}`, target: given };
  }
  const target = targetOf(given);
  return { ...common, location: formatLocation({ ...target, path: common.path }), target };
}

function targetOf(given: SftpBackendOptions): Target {
  const host = given.host.replace(/^\[(.*)\]$/, '$1');
  if (host === '' || /[\s/@\0]/.test(host)) throw invalid(`${JSON.stringify(given.host)} is not the name of a host.`);
  return {
    ...given,
    host,
    port: wholeNumber('port', given.port ?? DEFAULT_PORT, 65_535),
    user: given.user ?? currentUser(),
    connectTimeoutMs: wholeNumber('connectTimeoutMs', given.connectTimeoutMs ?? 20_000, 2 ** 31 - 1),
  };
}

/** Without a slash at its end; "." for the folder in which a session starts. */
function pathOf(path: unknown): string {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw invalid('An SFTP backend needs the path of a folder on the server: not empty, without NUL.');
  }
  const fromHome = path === '~' ? '' : path.replace(/^~\/+/, '');
  const trimmed = fromHome.replace(/\/+$/, '');
  if (trimmed !== '') return trimmed;
  return fromHome === '' ? '.' : '/';
}

function currentUser(): string {
  const user = process.env['USER'] ?? process.env['USERNAME'];
  if (user !== undefined && user !== '') return user;
  try {
    return userInfo().username;
  } catch (error) {
    throw invalid('Nobody is named as user, and this system does not tell who runs this process.', error);
  }
}

function wholeNumber(name: string, value: unknown, max: number): number {
  if (Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= max) return Number(value);
  throw invalid(`${name} must be a whole number from 1 to ${max}, not ${String(value)}.`);
}

function invalid(message: string, cause?: unknown): PackvaultError {
  return new PackvaultError({
    code: 'INVALID_ARGUMENT',
    message: `${message} Nothing was read or written.`,
    ...(cause !== undefined && { cause }),
  });
}
