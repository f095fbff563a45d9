/** What an SFTP server says → what packvault says. */
import { notFound } from '../../core/backend.ts';
import { type ErrorCode, PackvaultError, type RetryClass } from '../../core/errors.ts';

type Verb = 'put' | 'get' | 'stat' | 'list' | 'delete';

/** The call that failed. */
export interface FailedCall {
  readonly verb: Verb;
  /** The key, or the prefix of a listing. */
  readonly key: string;
  readonly location: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Status codes: 0 to 8 are those of SFTP v3, which all servers speak; some send later ones all the same. OpenSSH answers most
 * failures, a full disk and a name that is taken among them, with FAILURE and no word more.
 */
export const STATUS = {
  EOF: 1,
  NO_SUCH_FILE: 2,
  PERMISSION_DENIED: 3,
  FAILURE: 4,
  BAD_MESSAGE: 5,
  OP_UNSUPPORTED: 8,
  NO_SUCH_PATH: 10,
  WRITE_PROTECT: 12,
  NO_SPACE: 14,
  QUOTA_EXCEEDED: 15,
} as const;

interface Meaning {
  readonly code: ErrorCode;
  readonly retry: RetryClass;
  /** What happened, without its subject. */
  readonly what: string;
  readonly advice: string;
}

const VANISHED: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'a folder of the repository disappeared while in use, or its path does not exist',
  advice: 'Check the path, and that the disk is still mounted on the server',
};
const DENIED: Meaning = {
  code: 'PERMISSION_DENIED',
  retry: 'never',
  what: 'the server denied permission',
  advice: 'Check the owner and the permissions of the folder on the server, and whether this account may write',
};
const READ_ONLY: Meaning = {
  code: 'PERMISSION_DENIED',
  retry: 'never',
  what: 'the file system of the server is read-only',
  advice: 'Mount it for writing, or open another location',
};
const FULL: Meaning = {
  code: 'OUT_OF_SPACE',
  retry: 'never',
  what: 'no space is left on the server, or the quota is used up',
  advice: 'Free space (prune frees what no snapshot needs), then run the same call again',
};
const OCCUPIED: Meaning = {
  code: 'UNSUPPORTED',
  retry: 'never',
  what: 'a file is where a folder is needed, or a folder where a file is needed',
  advice: 'A key that is a folder of another key cannot be stored here; a repository needs a folder of its own',
};
const TOO_LONG: Meaning = {
  code: 'UNSUPPORTED',
  retry: 'never',
  what: 'the server holds no file of this name',
  advice: 'Use a shorter path',
};
const LACKING: Meaning = {
  code: 'UNSUPPORTED',
  retry: 'never',
  what: 'the server cannot do what this needs',
  advice: 'Use another SFTP server; OpenSSH has all that is needed',
};
// Nothing is known of it, so nothing is promised: repeating may do harm elsewhere.
const UNKNOWN: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'the server refused and did not say why',
  advice: 'Often a quota is used up, or a disk is broken: the log of the server may say more',
};

const MEANINGS: ReadonlyMap<number, Meaning> = new Map<number, Meaning>([
  [STATUS.NO_SUCH_FILE, VANISHED],
  [STATUS.NO_SUCH_PATH, VANISHED],
  [STATUS.PERMISSION_DENIED, DENIED],
  [STATUS.WRITE_PROTECT, READ_ONLY],
  [STATUS.BAD_MESSAGE, TOO_LONG],
  [STATUS.OP_UNSUPPORTED, LACKING],
  [STATUS.NO_SPACE, FULL],
  [STATUS.QUOTA_EXCEEDED, FULL],
]);

const UNHARMED: Readonly<Record<Verb, string>> = {
  put: 'No part of this object is visible and no other object was touched',
  get: 'Nothing was changed',
  stat: 'Nothing was changed',
  list: 'Nothing was changed',
  delete: 'No object was touched that this call does not name',
};

/** What was found out about a failure beyond its status. */
export type Finding = 'full' | 'read-only' | 'occupied';

/** A refusal whose reason was looked up, since its status does not tell it. */
export class ExplainedRefusal extends Error {
  override readonly name: string = 'ExplainedRefusal';
  readonly finding: Finding;

  constructor(finding: Finding, refusal?: unknown) {
    super(`The server refused: ${finding}`, { cause: refusal });
    this.finding = finding;
  }
}

/** The status of a refusal; `undefined` for an error that is none. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined;
}

/** Whether a refusal says that no such file is there. */
export function isAbsence(error: unknown): boolean {
  const status = statusOf(error);
  return status === STATUS.NO_SUCH_FILE || status === STATUS.NO_SUCH_PATH;
}

/**
 * The error to throw for a failed call: the signal's own reason stays as it is; a refusal becomes a `PackvaultError` with `cause`;
 * one that is a `PackvaultError` already gets the key that this call is about. For what reads one object, a missing file is NOT_FOUND.
 */
export function sftpError(error: unknown, call: FailedCall): unknown {
  const { verb, key, location, signal } = call;
  if (signal?.aborted === true && error === signal.reason) return error;
  if (PackvaultError.is(error)) return 'key' in error.context ? error : withKey(error, call);
  if ((verb === 'get' || verb === 'stat') && isAbsence(error)) return notFound(key, error);
  const status = statusOf(error);
  const meaning = meaningOf(error, status);
  if (meaning === undefined) return error;
  return new PackvaultError({
    code: meaning.code,
    retry: meaning.retry,
    message: `${verb} of ${key} in ${location} failed: ${meaning.what}${status === undefined ? '' : ` (status ${status})`}. ${UNHARMED[verb]}. ${meaning.advice}.`,
    context: { key, location, ...(status !== undefined && { status }) },
    cause: error,
  });
}

function meaningOf(error: unknown, status: number | undefined): Meaning | undefined {
  if (error instanceof ExplainedRefusal) {
    const meanings: Readonly<Record<Finding, Meaning>> = { full: FULL, 'read-only': READ_ONLY, occupied: OCCUPIED };
    return meanings[error.finding];
  }
  if (status === undefined) return undefined;
  const text = error instanceof Error ? error.message : '';
  if (status === STATUS.FAILURE && /quota|no space|disk (is )?full/i.test(text)) return FULL;
  return MEANINGS.get(status) ?? UNKNOWN;
}

/** A connection that is lost fails many calls with one error; each caller gets its own, with its key. */
function withKey(error: PackvaultError, { verb, key }: FailedCall): PackvaultError {
  return new PackvaultError({
    code: error.code,
    retry: error.retry,
    message: `${verb} of ${key} failed: ${error.message}`,
    context: { ...error.context, key },
    cause: error.cause ?? error,
  });
}
