/** Reads what the server sent, and believes nothing of it that can be checked. */
import { type CheckedRange, type ObjectInfo, rangeInvalid, resolveRange } from '../../core/backend.ts';
import { brokenAnswer, damagedUpload, type FailedCall } from './errors.ts';
import { type Answer, textOf } from './request.ts';

/** What a get asked for. */
export interface Wanted {
  readonly range: CheckedRange | undefined;
  readonly maxBytes: number | undefined;
}

/** An object as the JSON API describes it: numbers are texts. */
export interface ObjectResource {
  readonly name?: unknown;
  readonly size?: unknown;
  readonly updated?: unknown;
  readonly md5Hash?: unknown;
}

/** A page of a listing. */
export interface PageResource {
  readonly kind?: unknown;
  readonly items?: readonly ObjectResource[];
  readonly nextPageToken?: unknown;
}

const ADVICE = 'The same call may be repeated';
// A page of 1,000 long names and all that a server may tell of each.
const MAX_JSON_BYTES = 16 * 1024 ** 2;

/** The value of a Range header (RFC 9110, section 14.2). */
export function rangeHeader({ offset, length }: CheckedRange): string {
  return `bytes=${offset}-${length === undefined ? '' : offset + length - 1}`;
}

/** Exactly the bytes that were asked for. What is refused, is refused before it is read. */
export async function bodyOf(answer: Answer, call: FailedCall, wanted: Wanted): Promise<Uint8Array> {
  const size = sizeOf(answer, call, wanted);
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
  let filled = 0;
  for await (const chunk of answer.body) {
    if (filled + chunk.byteLength > size) throw wrongLength(call, size, 'more');
    bytes.set(chunk, filled);
    filled += chunk.byteLength;
  }
  if (filled < size) throw wrongLength(call, size, `${filled}`);
  return bytes;
}

/** A JSON body. A page of HTML that a proxy or a portal sent with status 200 must not pass for an answer of the store. */
export async function jsonOf<T extends object>({ body }: Answer, call: FailedCall): Promise<T> {
  const text = await textOf(body, MAX_JSON_BYTES);
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as T;
  } catch {
    // Told below.
  }
  throw notGcs(call);
}

/** What the server says of an object named `name`, which the engine knows as `call.key`. */
export function infoOf(resource: ObjectResource, name: string, call: FailedCall): ObjectInfo {
  const size = typeof resource.size === 'string' && /^\d+$/.test(resource.size) ? Number(resource.size) : undefined;
  const modifiedAt = new Date(typeof resource.updated === 'string' ? resource.updated : Number.NaN);
  if (resource.name !== name || size === undefined || Number.isNaN(modifiedAt.getTime())) throw notGcs(call);
  return { key: call.key, size, modifiedAt };
}

/** Fails unless the server says that it has stored these bytes under this name. */
export function checkStored(
  resource: ObjectResource,
  name: string,
  body: Uint8Array,
  md5: string,
  call: FailedCall,
): void {
  if (resource.name !== name || resource.size === undefined) throw notGcs(call);
  const other = typeof resource.md5Hash === 'string' && resource.md5Hash !== md5;
  if (other || Number(resource.size) !== body.byteLength) throw damagedUpload(call);
}

export function notGcs(call: FailedCall): Error {
  return brokenAnswer(
    call,
    'what answered is not Google Cloud Storage',
    'never',
    'Check the address: a proxy or another service may stand there',
  );
}

/** How many bytes the body has, once the head of the answer has been checked. */
function sizeOf({ status, headers }: Answer, call: FailedCall, { range, maxBytes }: Wanted): number {
  if (headers['x-goog-generation'] === undefined) throw notGcs(call);
  const length = headers['content-length'];
  const part = headers['content-range'];
  // Without it, a body that ends early could not be told from a whole one.
  if (length === undefined) throw brokenAnswer(call, 'the server does not say how long the object is', 'safe', ADVICE);
  const size = Number(length);
  const isPart = status === 206 || part !== undefined;
  if (range !== undefined && isPart) return rangeSize(part, size, call, range, maxBytes);
  if (status !== 200 || isPart) throw notGcs(call);
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
    const { start, end } = resolveRange(call.key, Number(total), range, maxBytes);
    if (Number(first) === start && Number(last) + 1 === end && size === end - start) return size;
  }
  throw rangeInvalid(call.key, `the server sent "${header ?? 'no Content-Range'}"`, contextOf(range));
}

function contextOf({ offset, length }: CheckedRange): Record<string, number> {
  return { offset, ...(length !== undefined && { length }) };
}

function wrongLength(call: FailedCall, size: number, got: string): Error {
  return brokenAnswer(call, `${size} bytes were announced and ${got} came`, 'safe', ADVICE);
}
