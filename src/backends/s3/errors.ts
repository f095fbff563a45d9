/** What S3 and the SDK say → what packvault says. */
import { notFound, rangeInvalid, type Verb } from '../../core/backend.ts';
import { type ErrorCode, PackvaultError, type RetryClass } from '../../core/errors.ts';
import { type Meaning, meaningOf } from './meanings.ts';

/** The call that failed. */
export interface FailedCall {
  readonly verb: Verb;
  /** The key, or the prefix of a listing. */
  readonly key: string;
  readonly location: string;
  /** Of a get, for the error when the object has not got it. */
  readonly range?: { readonly offset: number; readonly length?: number | undefined } | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What an error of the SDK tells of the server's answer. */
export interface Answer {
  /** S3's name for what went wrong (`NoSuchKey`); without one, the SDK's or the system's. */
  readonly reason: string;
  readonly status: number | undefined;
  /** How often the SDK has sent the request. */
  readonly attempts: number;
}

const UNHARMED: Readonly<Record<Verb, string>> = {
  put: 'No part of this object is visible; a read tells whether the whole was stored',
  get: 'Nothing was changed',
  stat: 'Nothing was changed',
  list: 'Nothing was changed',
  delete: 'No object was touched that this call does not name',
};

// What a message is cut to: some proxies answer with a page.
const MESSAGE_LENGTH = 500;

interface SdkError {
  readonly Code?: unknown;
  readonly code?: unknown;
  readonly ActualObjectSize?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number; readonly requestId?: string };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

/** Reads what the SDK, or the system below it, threw. */
export function answerOf(error: unknown): Answer {
  if (!(error instanceof Error)) return { reason: 'Unknown', status: undefined, attempts: 1 };
  const { Code, code, $metadata } = error as SdkError;
  const status = $metadata?.httpStatusCode;
  if (error.message === 'Region is missing') return { reason: 'RegionIsMissing', status, attempts: 0 };
  // The SDK names errors of a connection "TimeoutError", whatever they are: the system's code says more.
  const named = [Code, code].find((value): value is string => typeof value === 'string' && value !== '');
  return { reason: named ?? error.name, status, attempts: $metadata?.attempts ?? 1 };
}

/**
 * The error to throw for a failed call: the signal's own reason if it has aborted; what is a `PackvaultError` stays as it is; all
 * else becomes one, with a cause that holds nothing of the request.
 */
export function s3Error(error: unknown, call: FailedCall): unknown {
  const { verb, key, location, range, signal } = call;
  if (signal?.aborted === true) return signal.reason;
  if (PackvaultError.is(error)) return error;
  const { reason, status } = answerOf(error);
  const cause = withoutSecrets(error);
  if (reason === 'NoSuchKey' && (verb === 'get' || verb === 'stat')) return notFound(key, cause);
  if (reason === 'InvalidRange' || status === 416) return beyondEnd(error as SdkError, key, range);
  const { code, retry, what, advice }: Meaning = meaningOf(reason, status);
  return new PackvaultError({
    code,
    retry,
    message: `${verb} of ${key === '' ? 'all keys' : key} in ${location} failed: ${what} (${shown(reason, status)}). ${UNHARMED[verb]}. ${advice}.`,
    context: { key, location, reason, ...contextOf(error as SdkError) },
    cause,
  });
}

/** An answer that breaks the protocol; `what` completes "failed: ". */
export function brokenAnswer(call: FailedCall, what: string, retry: RetryClass, advice: string): PackvaultError {
  const code: ErrorCode = 'UNAVAILABLE';
  const { verb, key, location } = call;
  return new PackvaultError({
    code,
    retry,
    message: `${verb} of ${key === '' ? 'all keys' : key} in ${location} failed: ${what}. ${UNHARMED[verb]}. ${advice}.`,
    context: { key, location },
  });
}

function shown(reason: string, status: number | undefined): string {
  return status === undefined ? reason : `${status} ${reason}`;
}

function beyondEnd({ ActualObjectSize }: SdkError, key: string, range: FailedCall['range']): PackvaultError {
  const size = Number(ActualObjectSize);
  const known = typeof ActualObjectSize === 'string' && Number.isSafeInteger(size);
  return rangeInvalid(key, known ? `the object has ${size} bytes` : 'the object ends before', {
    offset: range?.offset ?? 0,
    ...(range?.length !== undefined && { length: range.length }),
    ...(known && { size }),
  });
}

function contextOf({ $metadata, $response }: SdkError): Record<string, string | number> {
  const { httpStatusCode: status, requestId } = $metadata ?? {};
  const retryAfterMs = retryAfterOf($response?.headers);
  return {
    ...(status !== undefined && { status }),
    ...(requestId !== undefined && { requestId }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}

/** RFC 9110, section 10.2.3: seconds or a date. In milliseconds from now. */
function retryAfterOf(headers: Readonly<Record<string, string>> = {}): number | undefined {
  const [, value] = Object.entries(headers).find(([name]) => name.toLowerCase() === 'retry-after') ?? [];
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isSafeInteger(ms) ? Math.max(0, ms) : undefined;
}

/**
 * The original error's name, message, code and stack, and nothing else of it: what the SDK hangs on its errors leads to the signed
 * request, and some servers and proxies repeat its headers.
 */
function withoutSecrets(error: unknown): Error {
  const original = error instanceof Error ? error : new Error(String(error));
  const cause = new Error(masked(original.message).slice(0, MESSAGE_LENGTH));
  cause.name = original.name;
  const frames = original.stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? [];
  cause.stack = [`${cause.name}: ${cause.message}`, ...frames].join('\n');
  const { code } = original as SdkError;
  return typeof code === 'string' ? Object.assign(cause, { code }) : cause;
}

/** Without what belongs to a signed request: signatures, key ids, session tokens (AWS Signature Version 4). */
function masked(text: string): string {
  return text
    .replace(/((?:X-Amz-)?(?:Signature|Credential|Security-Token)["']?\s*[=:]\s*["']?)[^\s,&"'<]+/gi, '$1***')
    .replace(/(Authorization["']?\s*[=:]\s*["']?)[^\r\n<]+/gi, '$1***');
}
