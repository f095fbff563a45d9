/** Reads what the server sent, and believes nothing of it that can be checked. */
import type { BlobDownloadResponseParsed, BlobGetPropertiesResponse } from '@azure/storage-blob';
import type { Readable } from 'node:stream';
import { type CheckedRange, type ObjectInfo, rangeInvalid, resolveRange } from '../../core/backend.ts';
import { brokenAnswer, type FailedCall } from './errors.ts';

/** What a get asked for. */
export interface Wanted {
  readonly range: CheckedRange | undefined;
  readonly maxBytes: number | undefined;
}

const ADVICE = 'The same call may be repeated';

/**
 * The body of a get's answer: exactly the bytes that were asked for. What is refused, is refused before it is read, and its
 * connection closed.
 */
export async function bodyOf(
  answer: BlobDownloadResponseParsed,
  call: FailedCall,
  wanted: Wanted,
  moved: () => void,
): Promise<Uint8Array> {
  const body = answer.readableStreamBody as Readable | undefined;
  if (body === undefined) throw notAzure(call);
  try {
    return await readExactly(body, sizeOf(answer, call, wanted), call, moved);
  } finally {
    body.destroy();
  }
}

/** What an answer without a body tells of an object. */
export function infoOf(answer: BlobGetPropertiesResponse, call: FailedCall): ObjectInfo {
  const { contentLength, etag, lastModified, requestId } = answer;
  if (etag === undefined || requestId === undefined) throw notAzure(call);
  if (contentLength === undefined || lastModified === undefined) throw notAzure(call);
  return { key: call.key, size: contentLength, modifiedAt: lastModified };
}

/** A page that a proxy or a portal sent with status 200 must not pass for an answer of the store. */
export function notAzure(call: FailedCall): Error {
  return brokenAnswer(
    call,
    'what answered is not Azure Blob Storage',
    'never',
    'Check the address: a proxy or another service may stand there',
  );
}

/** How many bytes the body has, once the head of the answer has been checked. */
function sizeOf(answer: BlobDownloadResponseParsed, call: FailedCall, { range, maxBytes }: Wanted): number {
  const { contentLength: size, contentRange, requestId, _response } = answer;
  if (requestId === undefined || size === undefined) throw notAzure(call);
  const isPart = _response.status === 206 || contentRange !== undefined;
  if (range !== undefined && isPart) return rangeSize(contentRange, size, call, range, maxBytes);
  if (_response.status !== 200 || isPart) throw notAzure(call);
  const { start, end } = resolveRange(call.key, size, range, maxBytes);
  if (range === undefined || (start === 0 && end === size)) return size;
  throw rangeInvalid(call.key, 'the server, or a proxy before it, ignores ranges', contextOf(range));
}

function rangeSize(
  header: string | undefined,
  size: number,
  call: FailedCall,
  range: CheckedRange,
  maxBytes: number | undefined,
): number {
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(header ?? '') ?? [];
  if (total !== undefined) {
    // Azurite answers a range that begins at the end with 206 and no bytes; this refuses it.
    const { start, end } = resolveRange(call.key, Number(total), range, maxBytes);
    if (Number(first) === start && Number(last) + 1 === end && size === end - start) return size;
  }
  throw rangeInvalid(call.key, `the server sent "${header ?? 'no Content-Range'}"`, contextOf(range));
}

function contextOf({ offset, length }: CheckedRange): Record<string, number> {
  return { offset, ...(length !== undefined && { length }) };
}

/** Reads `size` bytes into memory of their own. A body of another length is UNAVAILABLE: something broke on its way. */
async function readExactly(body: Readable, size: number, call: FailedCall, moved: () => void): Promise<Uint8Array> {
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
  let filled = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    moved();
    if (filled + chunk.byteLength > size) throw wrongLength(call, size, 'more');
    bytes.set(chunk, filled);
    filled += chunk.byteLength;
  }
  if (filled < size) throw wrongLength(call, size, `${filled}`);
  return bytes;
}

function wrongLength(call: FailedCall, size: number, got: string): Error {
  return brokenAnswer(call, `${size} bytes were announced and ${got} came`, 'safe', ADVICE);
}
