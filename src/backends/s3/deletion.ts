/** Removes objects, many with one request where the server can do that. */
import { createHash } from 'node:crypto';
import type { _Error } from '@aws-sdk/client-s3';
import { PackvaultError } from '../../core/errors.ts';
import { notS3 } from './answers.ts';
import { changeHeaders, type Headers, type Session } from './client.ts';
import { answerOf, type FailedCall, s3Error } from './errors.ts';

/** What to delete. */
export interface Deletion {
  readonly session: Session;
  readonly bucket: string;
  readonly prefix: string;
  /** At least one. */
  readonly keys: readonly string[];
  readonly call: FailedCall;
  /** Whether the server knows DeleteObjects. Turned off when it says that it doesn't. */
  readonly support: { batches: boolean };
}

// Of a server that deletes one by one only.
const DELETES_AT_ONCE = 16;

/** Deletes all of them, or rejects with what the server said of the first that it kept. */
export async function deleteAll(deletion: Deletion): Promise<void> {
  const { keys, support } = deletion;
  if (keys.length > 1 && support.batches) {
    try {
      return await deleteBatch(deletion);
    } catch (error) {
      const { status } = answerOf(error);
      if (status !== 501 && status !== 405) throw error;
      support.batches = false;
    }
  }
  for (let at = 0; at < keys.length; at += DELETES_AT_ONCE) {
    deletion.call.signal?.throwIfAborted();
    // All of them are awaited: after a rejection nothing goes on in the background.
    const some = keys.slice(at, at + DELETES_AT_ONCE);
    const outcomes = await Promise.allSettled(some.map(async (key) => deleteOne(key, deletion)));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }
}

async function deleteBatch({ session, bucket, prefix, keys, call }: Deletion): Promise<void> {
  const { sdk, client, aws } = session;
  const command = new sdk.DeleteObjectsCommand({
    Bucket: bucket,
    Delete: { Objects: keys.map((key) => ({ Key: prefix + key })), Quiet: false },
  });
  // Of the checksums that this request must have, the one that every other server knows.
  if (!aws) changeHeaders(command, sendMd5);
  const sending = call.signal === undefined ? {} : { abortSignal: call.signal };
  const { Deleted, Errors = [] } = await client.send(command, sending);
  const kept = Errors.filter(({ Code }) => Code !== 'NoSuchKey');
  const [first] = kept;
  if (first !== undefined) throw keptError(first, kept.length, prefix, call);
  // It names every key, also those that were not there.
  if (Deleted === undefined && Errors.length === 0) throw notS3(call);
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

async function deleteOne(key: string, { session, bucket, prefix, call }: Deletion): Promise<void> {
  const { sdk, client } = session;
  const own = { ...call, key };
  try {
    const { $metadata } = await client.send(
      new sdk.DeleteObjectCommand({ Bucket: bucket, Key: prefix + key }),
      call.signal === undefined ? {} : { abortSignal: call.signal },
    );
    // S3 answers 204, and its kind at least with an id of the request; a page of HTML has neither.
    if ($metadata.httpStatusCode !== 204 && $metadata.requestId === undefined) throw notS3(own);
  } catch (error) {
    if (answerOf(error).reason === 'NoSuchKey') return;
    throw PackvaultError.is(error) ? error : s3Error(error, own);
  }
}
