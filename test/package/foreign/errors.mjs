import { alreadyExists, notFound, PackvaultError } from 'packvault';

/** What the system says: code, retry class, what happened. */
const MEANINGS = {
  EACCES: ['PERMISSION_DENIED', 'never', 'was refused'],
  ENOSPC: ['OUT_OF_SPACE', 'never', 'found no space'],
  ENAMETOOLONG: ['UNSUPPORTED', 'never', 'met a key that is too long for a file name'],
  EIO: ['UNAVAILABLE', 'safe', 'failed'],
};

/**
 * @param {unknown} error
 * @param {{ verb: string, key: string, location: string, signal?: AbortSignal | undefined }} call
 */
export function flatError(error, { verb, key, location, signal }) {
  if (PackvaultError.is(error)) return error;
  if (signal?.aborted) return signal.reason;
  if (error.code === 'ENOENT') return notFound(key, error);
  if (error.code === 'EEXIST') return alreadyExists(key, error);
  const [code, retry, what] = MEANINGS[error.code] ?? ['UNAVAILABLE', 'never', 'failed'];
  return new PackvaultError({
    code,
    retry,
    message: `${verb} of ${key} in ${location} ${what}. What was stored before is not harmed. Look at the cause.`,
    context: { key },
    cause: error,
  });
}
