/** OpenSSH gives no reason with most refusals; the state of the file system often is the reason. */
import { ExplainedRefusal, STATUS, statusOf } from './errors.ts';
import type { Session } from './session.ts';

// Of f_flag: mounted read-only.
const READ_ONLY = 1;
// Less than the smallest block of a file system: not even a folder fits.
const NOTHING_BYTES = 4_096;

/**
 * The error to throw when the server refused to write `bytes` bytes below `folder`: the refusal, or what is known to be behind it. Ask
 * before the half-written file is removed, which frees what was missing.
 */
export async function explain(session: Session, error: unknown, folder: string, bytes: number): Promise<unknown> {
  if (statusOf(error) !== STATUS.FAILURE || !session.extensions.statvfs) return error;
  try {
    const { f_frsize, f_bavail, f_favail, f_files, f_flag } = await session.statvfs(folder);
    if ((f_flag & READ_ONLY) !== 0) return new ExplainedRefusal('read-only', error);
    const isFull = f_bavail * f_frsize < Math.max(bytes, NOTHING_BYTES) || (f_files > 0 && f_favail === 0);
    return isFull ? new ExplainedRefusal('full', error) : error;
  } catch {
    return error;
  }
}
