/** Removes objects, many with one request where the server can do that. */
import { createHash } from 'node:crypto';
import type { _Error } from '@aws-sdk/client-s3';
import { notS3 } from './answers.ts';
import { changeHeaders, type Headers, type Session, sending } from './client.ts';
import { answerOf, type FailedCall, s3Error } from './errors.ts';

/** What to delete. */
export interface Deletion {
  readonly bucket: string;
  readonly prefix: string;
  /** At least one. */
  readonly keys: readonly string[];
  readonly call: FailedCall;
  /** Runs a request when a connection is free for it; what it throws is told of this call. */
  readonly perform: <T>(call: FailedCall, request: (session: Session) => Promise<T>) => Promise<T>;
  /** Whether the server knows DeleteObjects. Turned off when it says that it doesn't. */
  readonly support: { batches: boolean };
}

// Of a server that deletes one by one only.
const DELETES_AT_ONCE = 16;

/** Deletes all of them, or rejects with what the server said of the first that it kept. */
export async function deleteAll(deletion: Deletion): Promise<void> {
  const { keys, call, perform, support } = deletion;
  if (keys.length > 1 && support.batches) {
    if (await perform(call, async (session) => deleteBatch(session, deletion))) return;
    support.batches = false;
  }
  for (let at = 0; at < keys.length; at += DELETES_AT_ONCE) {
    // All of them are awaited: after a rejection nothing goes on in the background.
    const outcomes = await Promise.allSettled(
      keys.slice(at, at + DELETES_AT_ONCE).map(async (key) => {
        const own = { ...call, key };
        return perform(own, async (session) => deleteOne(session, deletion, own));
      }),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }
}

/** False if the server has no batches. */
async function deleteBatch({ sdk, client, aws }: Session, { bucket, prefix, keys, call }: Deletion): Promise<boolean> {
  const command = new sdk.DeleteObjectsCommand({
    Bucket: bucket,
    Delete: { Objects: keys.map((key) => ({ Key: prefix + key })), Quiet: false },
  });
  // Of the checksums that this request must have, the one that every other server knows.
  if (!aws) changeHeaders(command, sendMd5);
  try {
    const { Deleted, Errors = [] } = await client.send(command, sending(call.signal));
    const kept = Errors.filter(({ Code }) => Code !== 'NoSuchKey');
    const [first] = kept;
    if (first !== undefined) throw keptError(first, kept.length, prefix, call);
    // It names every key, also those that were not there.
    if (Deleted === undefined && Errors.length === 0) throw notS3(call);
    return true;
  } catch (error) {
    const { status } = answerOf(error);
    if (status === 501 || status === 405) return false;
    throw error;
  }
}

async function deleteOne({ sdk, client }: Session, { bucket, prefix }: Deletion, call: FailedCall): Promise<void> {
  try {
    const command = new sdk.DeleteObjectCommand({ Bucket: bucket, Key: prefix + call.key });
    const { $metadata } = await client.send(command, sending(call.signal));
    // S3 answers 204, and its kind at least with an id of the request; a page of HTML has neither.
    if ($metadata.httpStatusCode !== 204 && $metadata.requestId === undefined) throw notS3(call);
  } catch (error) {
    if (answerOf(error).reason !== 'NoSuchKey') throw error;
  }
}

/** Instead of the checksum that the SDK has chosen, whatever it was. */
function sendMd5(headers: Headers, body: unknown): void {
  for (const name of Object.keys(headers)) {
    if (/^x-amz-(?:sdk-)?checksum-/i.test(name)) delete headers[name];
  }
  headers['content-md5'] = createHash('md5')
    .update(body as string | Uint8Array)
    .digest('base64');
}

/** The server's word on one key of a batch, as if it had been asked for this key alone. */
function keptError(
  { Key = '', Code = 'Unknown', Message = '' }: _Error,
  count: number,
  prefix: string,
  call: FailedCall,
): unknown {
  const key = Key.slice(prefix.length);
  const more = count === 1 ? '' : ` (and ${count - 1} more keys were refused)`;
  return s3Error(Object.assign(new Error(Message + more), { Code }), { ...call, key });
}
