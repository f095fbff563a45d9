/** `sftp://user@host:port//absolute/path` and `sftp://user@host/relative/path`. */
import { PackvaultError } from '../../core/errors.ts';
import type { SftpBackendOptions } from './options.ts';

/** What a location tells. */
export type SftpPlace = Pick<SftpBackendOptions, 'host' | 'port' | 'user' | 'path'>;

const FORM = 'sftp://user@host:port//absolute/path or sftp://user@host/path/from/home';

/**
 * Reads a location. User and port may be missing. One slash after the host begins a path that is relative to the folder in which
 * a session starts, two begin an absolute one. `%` and two hex digits stand for a byte. INVALID_ARGUMENT for anything else, also
 * for a location that holds a password: locations are printed and logged.
 */
export function parseSftpLocation(location: string): SftpPlace {
  const parts = /^sftp:\/\/(?:([^@/]*)@)?(\[[^\]/]+\]|[^:/@[\]]+)(?::(\d{1,5}))?\/(.*)$/is.exec(location);
  const [, user, host, port, path] = parts ?? [];
  // Not shown: what could not be read may hold a password.
  if (host === undefined || path === undefined) throw invalid(`It is not of the form ${FORM}.`);
  if (user?.includes(':')) {
    throw invalid(`It holds a password. Use a key or ssh-agent, or give the password as an option of SftpBackend.`);
  }
  return {
    host: host.replace(/^\[(.*)\]$/, '$1'),
    ...(port !== undefined && { port: Number(port) }),
    ...(user !== undefined && user !== '' && { user: decoded(user) }),
    path: decoded(path) === '' ? '.' : decoded(path),
  };
}

/** The location that `parseSftpLocation` reads as this place. */
export function formatLocation({ host, port, user, path }: SftpPlace): string {
  const login = user === undefined ? '' : `${encoded(user)}@`;
  const shownHost = host.includes(':') ? `[${host}]` : host;
  const shownPort = port === undefined || port === 22 ? '' : `:${port}`;
  return `sftp://${login}${shownHost}${shownPort}/${path === '.' ? '' : encoded(path)}`;
}

/** What a reader could take for something else, and what a terminal would obey. Letters of any script stay as they are. */
function encoded(text: string): string {
  return text.replace(/[%@:?#\s\p{Cc}]/gu, (character) => encodeURIComponent(character));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw invalid('A % in it is not followed by two hex digits of UTF-8: write %25 for % itself.', error);
  }
}

function invalid(why: string, cause?: unknown): PackvaultError {
  return new PackvaultError({
    code: 'INVALID_ARGUMENT',
    message: `This is not the location of an SFTP store. ${why} Nothing was opened.`,
    ...(cause !== undefined && { cause }),
  });
}
