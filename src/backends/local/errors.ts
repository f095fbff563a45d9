/** What the operating system says → what packvault says. */
import { notFound, type Verb } from '../../core/backend.ts';
import { type ErrorCode, PackvaultError, type RetryClass } from '../../core/errors.ts';

/** The call that failed. */
export interface FailedCall {
  readonly verb: Verb;
  /** The key, or the prefix of a listing. */
  readonly key: string;
  readonly location: string;
  readonly signal?: AbortSignal | undefined;
}

interface Meaning {
  readonly code: ErrorCode;
  readonly retry: RetryClass;
  /** What happened, without its subject. */
  readonly what: string;
  readonly advice: string;
}

const DENIED: Meaning = {
  code: 'PERMISSION_DENIED',
  retry: 'never',
  what: 'permission denied',
  advice: 'Check the owner and the permissions of the folder',
};
const READ_ONLY: Meaning = {
  code: 'PERMISSION_DENIED',
  retry: 'never',
  what: 'the file system is read-only',
  advice: 'Mount it for writing, or open another location',
};
const FULL: Meaning = {
  code: 'OUT_OF_SPACE',
  retry: 'never',
  what: 'no space is left, or the quota is used up',
  advice: 'Free space (prune frees what no snapshot needs), then run the same call again',
};
const BUSY: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'safe',
  what: 'the file system could not answer',
  advice: 'The same call may be repeated; if it keeps failing, check the disk or the mount',
};
const VANISHED: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'a folder of the repository disappeared while in use',
  advice: 'Check that the disk is still mounted, then open the repository again',
};
const OCCUPIED: Meaning = {
  code: 'UNSUPPORTED',
  retry: 'never',
  what: 'a file is where a folder is needed, or a folder where a file is needed',
  advice: 'A key that is a folder of another key cannot be stored here; a repository needs a folder of its own',
};
const TOO_LARGE: Meaning = {
  code: 'UNSUPPORTED',
  retry: 'never',
  what: 'the file system holds no file of this name or size',
  advice: 'Use a shorter path or a smaller pack size',
};
// Nothing is known of it, so nothing is promised: repeating may do harm elsewhere.
const UNKNOWN: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'the operating system refused',
  advice: 'The cause says more',
};

const MEANINGS: ReadonlyMap<string, Meaning> = new Map([
  ...(['EACCES', 'EPERM'] as const).map((errno) => [errno, DENIED] as const),
  ['EROFS', READ_ONLY],
  ...(['ENOSPC', 'EDQUOT'] as const).map((errno) => [errno, FULL] as const),
  ...(['EIO', 'EAGAIN', 'EBUSY', 'EINTR', 'EMFILE', 'ENFILE', 'ENOMEM', 'ETIMEDOUT', 'ESTALE'] as const).map(
    (errno) => [errno, BUSY] as const,
  ),
  ...(['ENOENT', 'ENODEV', 'ENXIO'] as const).map((errno) => [errno, VANISHED] as const),
  ...(['ENOTDIR', 'EISDIR', 'EEXIST', 'ENOTEMPTY'] as const).map((errno) => [errno, OCCUPIED] as const),
  ...(['EFBIG', 'ENAMETOOLONG'] as const).map((errno) => [errno, TOO_LARGE] as const),
]);

const UNHARMED: Readonly<Record<Verb, string>> = {
  put: 'No part of this object is visible and no other object was touched',
  get: 'Nothing was changed',
  stat: 'Nothing was changed',
  list: 'Nothing was changed',
  delete: 'No object was touched that this call does not name',
};

/** The operating system's name of an error (`ENOSPC`), if it is one of its errors. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/**
 * The error to throw for a failed call: the signal's own reason and what is a `PackvaultError` already stay as they are; an
 * error of the operating system becomes one, with `cause`. For what reads one object, a missing file is NOT_FOUND.
 */
export function localError(error: unknown, call: FailedCall): unknown {
  const { verb, key, location, signal } = call;
  if ((signal?.aborted === true && error === signal.reason) || PackvaultError.is(error)) return error;
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  if ((verb === 'get' || verb === 'stat') && ['ENOENT', 'ENOTDIR', 'EISDIR'].includes(errno))
    return notFound(key, error);
  const { code, retry, what, advice } = MEANINGS.get(errno) ?? UNKNOWN;
  return new PackvaultError({
    code,
    retry,
    message: `${verb} of ${key} in ${location} failed: ${what} (${errno}). ${UNHARMED[verb]}. ${advice}.`,
    context: { key, errno, location },
    cause: error,
  });
}
