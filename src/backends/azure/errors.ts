/** What Azure and the SDK say → what packvault says. */
import { notFound, rangeInvalid, type Verb } from '../../core/backend.ts';
import { PackvaultError, type RetryClass } from '../../core/errors.ts';
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
  /** Azure's name for what went wrong (`BlobNotFound`); without one, the system's or the SDK's. */
  readonly reason: string;
  readonly status: number | undefined;
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
  readonly code?: unknown;
  readonly statusCode?: unknown;
  readonly details?: { readonly errorCode?: unknown };
  readonly response?: { readonly headers?: { get(name: string): string | undefined } };
}

/** Reads what the SDK, or the system below it, threw. */
export function answerOf(error: unknown): Answer {
  if (!(error instanceof Error)) return { reason: 'Unknown', status: undefined };
  const { code, statusCode, details } = error as SdkError;
  const status = typeof statusCode === 'number' ? statusCode : undefined;
  // An answer to HEAD has no body, and with it no code: the name stands in a header.
  const named = [code, details?.errorCode].find((value): value is string => typeof value === 'string' && value !== '');
  return { reason: named ?? error.name, status };
}

/**
 * The error to throw for a failed call: the signal's own reason if it has aborted; what is a `PackvaultError` stays as it is; all
 * else becomes one, with a cause that holds nothing of the request.
 */
export function azureError(error: unknown, call: FailedCall): unknown {
  const { verb, key, location, range, signal } = call;
  if (signal?.aborted === true) return signal.reason;
  if (PackvaultError.is(error)) return error;
  const { reason, status } = answerOf(error);
  const cause = withoutSecrets(error);
  if (reason === 'BlobNotFound' && (verb === 'get' || verb === 'stat')) return notFound(key, cause);
  if (reason === 'InvalidRange' || status === 416) {
    return rangeInvalid(key, 'the object ends before', {
      offset: range?.offset ?? 0,
      ...(range?.length !== undefined && { length: range.length }),
    });
  }
  const { code, retry, what, advice }: Meaning = meaningOf(reason, status);
  return new PackvaultError({
    code,
    retry,
    message: `${verb} of ${key === '' ? 'all keys' : key} in ${location} failed: ${what} (${shown(reason, status)}). ${UNHARMED[verb]}. ${advice}.`,
    context: { key, location, reason, ...contextOf(error as SdkError, status) },
    cause,
  });
}

/** An answer that breaks the protocol; `what` completes "failed: ". */
export function brokenAnswer(call: FailedCall, what: string, retry: RetryClass, advice: string): PackvaultError {
  const { verb, key, location } = call;
  return new PackvaultError({
    code: 'UNAVAILABLE',
    retry,
    message: `${verb} of ${key === '' ? 'all keys' : key} in ${location} failed: ${what}. ${UNHARMED[verb]}. ${advice}.`,
    context: { key, location },
  });
}

/** The server says itself that it stored something else. */
export function damagedUpload({ key, location }: FailedCall): PackvaultError {
  return new PackvaultError({
    code: 'UNAVAILABLE',
    retry: 'never',
    message: `put of ${key} in ${location} failed: the server has stored other bytes than it was sent. Other objects are not harmed. Something on the way changes data: find it before the next backup, then delete this object.`,
    context: { key, location },
  });
}

function shown(reason: string, status: number | undefined): string {
  return status === undefined ? reason : `${status} ${reason}`;
}

function contextOf({ response }: SdkError, status: number | undefined): Record<string, string | number> {
  const headers = response?.headers;
  const requestId = headers?.get('x-ms-request-id');
  const retryAfterMs = headers === undefined ? undefined : retryAfterOf(headers);
  return {
    ...(status !== undefined && { status }),
    ...(requestId !== undefined && { requestId }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}

/** In milliseconds from now: Azure's own header, else seconds or a date (RFC 9110, section 10.2.3). */
function retryAfterOf(headers: { get(name: string): string | undefined }): number | undefined {
  const exact = headers.get('x-ms-retry-after-ms') ?? '';
  if (/^\d+$/.test(exact)) return Number(exact);
  const value = headers.get('retry-after');
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isSafeInteger(ms) ? Math.max(0, ms) : undefined;
}

/**
 * The original error's name, message, code and stack, and nothing else of it: what the SDK hangs on its errors leads to the
 * request, whose URL may hold a shared access signature.
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

/** Without signatures of URLs, keys of accounts, and what an Authorization header holds. */
function masked(text: string): string {
  return text
    .replace(/\b(sig["']?\s*[=:]\s*["']?)[^\s,&"'<]+/gi, '$1***')
    .replace(
      /\b((?:AccountKey|SharedAccessSignature|client_secret|client_assertion)["']?\s*[=:]\s*["']?)[^\s;,"'<]+/gi,
      '$1***',
    )
    .replace(/\b(SharedKey(?:Lite)? [^\s:]+:)[^\s"'<]+/gi, '$1***')
    .replace(/\b(Bearer )[^\s"'<]+/gi, '$1***')
    .replace(/(MAC signature found in the HTTP request\s+['"]?)[^\s'"<]+/gi, '$1***');
}
