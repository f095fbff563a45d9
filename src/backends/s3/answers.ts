/** Reads what the server sent, and believes nothing of it that can be checked. */
import type { GetObjectCommandOutput, HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import type { Readable } from 'node:stream';
import { type CheckedRange, type ObjectInfo, rangeInvalid, resolveRange } from '../../core/backend.ts';
import { brokenAnswer, type FailedCall } from './errors.ts';

/** What a get asked for. */
export interface Wanted {
  readonly range: CheckedRange | undefined;
  readonly maxBytes: number | undefined;
  /** How long the body may pause, in milliseconds. */
  readonly idleTimeoutMs: number;
}

const ADVICE = 'The same call may be repeated';

/** The value of a Range header (RFC 9110, section 14.2). */
export function rangeHeader({ offset, length }: CheckedRange): string {
  return `bytes=${offset}-${length === undefined ? '' : offset + length - 1}`;
}

/**
 * The body of a get's answer: exactly the bytes that were asked for. What is refused, is refused before it is read, and its
 * connection closed.
 */
export async function bodyOf(answer: GetObjectCommandOutput, call: FailedCall, wanted: Wanted): Promise<Uint8Array> {
  const body = answer.Body as Readable | undefined;
  if (body === undefined) throw notS3(call);
  try {
    const size = sizeOf(answer, call, wanted);
    return await readExactly(body, size, call, wanted.idleTimeoutMs);
  } finally {
    // After a body was read to its end, this keeps the connection.
    body.destroy();
  }
}

/** What an answer without its body tells of an object. */
export function infoOf(answer: HeadObjectCommandOutput | GetObjectCommandOutput, call: FailedCall): ObjectInfo {
  const { ContentLength, ETag, LastModified } = answer;
  if (ETag === undefined || ContentLength === undefined || LastModified === undefined) throw notS3(call);
  return { key: call.key, size: ContentLength, modifiedAt: LastModified };
}

/** A page that a proxy or a portal sent with status 200 must not pass for an answer of the store. */
export function notS3(call: FailedCall): Error {
  return brokenAnswer(
    call,
    'what answered is not S3',
    'never',
    'Check the address: a proxy or another service may stand there',
  );
}

/** How many bytes the body has, once the head of the answer has been checked. */
function sizeOf(answer: GetObjectCommandOutput, call: FailedCall, { range, maxBytes }: Wanted): number {
  const { ContentLength: size, ContentRange, ETag, $metadata } = answer;
  if (ETag === undefined) throw notS3(call);
  const isPart = $metadata.httpStatusCode === 206 || ContentRange !== undefined;
  // Content-Range says what was sent; some servers (rclone) send it with status 200.
  if (range !== undefined && isPart) return rangeSize(ContentRange, size, call, range, maxBytes);
  if ($metadata.httpStatusCode !== 200 || isPart) throw notS3(call);
  // Without it, a body that ends early could not be told from a whole one.
  if (size === undefined) throw brokenAnswer(call, 'the server does not say how long the object is', 'safe', ADVICE);
  const { start, end } = resolveRange(call.key, size, range, maxBytes);
  // Some servers answer a range that is the whole object so.
  if (range === undefined || (start === 0 && end === size)) return size;
  throw rangeInvalid(call.key, 'the server, or a proxy before it, ignores ranges', contextOf(range));
}

function rangeSize(
  header: string | undefined,
  size: number | undefined,
  call: FailedCall,
  range: CheckedRange,
  maxBytes: number | undefined,
): number {
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(header ?? '') ?? [];
  const sent = { start: Number(first), end: Number(last) + 1 };
  const whole = total === undefined || total === '*' ? sent.end : Number(total);
  if (first !== undefined) {
    const { start, end } = resolveRange(call.key, whole, range, maxBytes);
    if (sent.start === start && sent.end === end && (size ?? end - start) === end - start) return end - start;
  }
  throw rangeInvalid(call.key, `the server sent "${header ?? 'no Content-Range'}"`, contextOf(range));
}

function contextOf({ offset, length }: CheckedRange): Record<string, number> {
  return { offset, ...(length !== undefined && { length }) };
}

/** Reads `size` bytes into memory of their own. A body of another length is UNAVAILABLE: something broke on its way. */
async function readExactly(body: Readable, size: number, call: FailedCall, idleMs: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
  let filled = 0;
  // The SDK's own time-outs may not hold for a client that was given to us.
  const stalled = brokenAnswer(call, `nothing came for ${idleMs} ms`, 'safe', ADVICE);
  const timer = setTimeout(() => body.destroy(stalled), idleMs);
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      timer.refresh();
      if (filled + chunk.byteLength > size) throw wrongLength(call, size, 'more');
      bytes.set(chunk, filled);
      filled += chunk.byteLength;
    }
  } finally {
    clearTimeout(timer);
  }
  if (filled < size) throw wrongLength(call, size, `${filled}`);
  return bytes;
}

function wrongLength(call: FailedCall, size: number, got: string): Error {
  return brokenAnswer(call, `${size} bytes were announced and ${got} came`, 'safe', ADVICE);
}
