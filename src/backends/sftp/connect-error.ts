/** Why no connection came about → what packvault says. */
import { PackvaultError } from '../../core/errors.ts';
import type { Target } from './options.ts';
import type { Login } from './ssh2.ts';

// What ssh2 says of a server that has no SFTP, runs something else in its place, or has no algorithm in common with us.
const NO_SFTP = /subsystem|exit code|packet length|packet type|expected version|no matching/i;

/**
 * The error for a connection that failed before it was a session. `cause` is ssh2's or the system's error, `{ timeoutMs }` if the
 * time ran out, or `undefined` if the server hung up without a word.
 */
export function connectError(cause: unknown, target: Target, logins: readonly Login[]): PackvaultError {
  const { host, port, user } = target;
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const context = { host, port, user };
  const { message = '', level, code } = partsOf(cause);
  if (level === 'client-authentication' || /too many authentication/i.test(message)) {
    const tried = [...new Set(logins.map(({ type }) => type))].join(', ');
    return new PackvaultError({
      code: 'UNAUTHENTICATED',
      message: `The server ${where} does not let ${user} in (tried: ${tried}). Nothing was read or written. Check the user, and that the public key is among the authorized keys there.`,
      context,
      cause,
    });
  }
  if (NO_SFTP.test(message)) {
    return new PackvaultError({
      code: 'UNSUPPORTED',
      message: `The server ${where} offers no SFTP that can be used here: ${message}. Nothing was read or written. See whether sftp of OpenSSH can connect: SFTP may be switched off for this user, the login shell may print something, or the server knows only outdated algorithms.`,
      context,
      cause,
    });
  }
  const why =
    typeof cause === 'object' && cause !== null && 'timeoutMs' in cause ? 'it did not answer in time' : message;
  return new PackvaultError({
    code: 'UNAVAILABLE',
    message: `No connection to ${where}: ${why === '' ? 'the server hung up' : why}. Nothing was read or written. The same call may be repeated; if it keeps failing, check host, port and network.`,
    context: { ...context, ...(code !== undefined && { errno: code }) },
    ...(cause instanceof Error && { cause }),
  });
}

function partsOf(cause: unknown): {
  readonly message?: string;
  readonly level?: string;
  readonly code?: string;
} {
  if (!(cause instanceof Error)) return {};
  const { message } = cause;
  return {
    // Of several addresses that were tried, Node gives no summary.
    message: message === '' && 'errors' in cause ? String((cause.errors as unknown[])[0]) : message,
    ...('level' in cause && typeof cause.level === 'string' && { level: cause.level }),
    ...('code' in cause && typeof cause.code === 'string' && { code: cause.code }),
  };
}
