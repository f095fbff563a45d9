/** What Google Cloud Storage, the SDK's login and the system say → what packvault says. */
import type { IncomingHttpHeaders } from 'node:http';
import { rangeInvalid, type Verb } from '../../core/backend.ts';
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

/** What an error tells of the server's answer. */
interface Answer {
  /** The server's name for what went wrong (`notFound`); without one, the system's. */
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

/** What the server answered instead of what it was asked for. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The server's name for it (`notFound`), if it gave one. */
  readonly reason: string | undefined;

  constructor(status: number, headers: IncomingHttpHeaders, body: string) {
    const { message = body, reason } = detailsOf(body);
    super(message.trim());
    this.status = status;
    this.headers = headers;
    this.reason = reason;
  }
}

/** Reads an error as the JSON API tells it. Some answers (to a download) are mere text. */
function detailsOf(body: string): { message?: string; reason?: string } {
  let told: unknown;
  try {
    told = JSON.parse(body);
  } catch {
    return {};
  }
  const { error } = (told ?? {}) as { error?: { message?: unknown; errors?: { reason?: unknown }[] } };
  const message = error?.message;
  const reason = error?.errors?.[0]?.reason;
  return { ...(typeof message === 'string' && { message }), ...(typeof reason === 'string' && { reason }) };
}

interface SystemError {
  readonly code?: unknown;
  readonly status?: unknown;
  readonly response?: { readonly status?: unknown };
}

/** Reads what a request, or the login before it, threw. */
function answerOf(error: unknown): Answer {
  if (error instanceof Refusal) return { reason: reasonOf(error), status: error.status };
  if (!(error instanceof Error)) return { reason: 'Unknown', status: undefined };
  return { reason: systemReasonOf(error), status: undefined };
}

function reasonOf({ status, reason = `HTTP ${status}`, message }: Refusal): string {
  // Named `invalid`, as much else.
  if (status === 400 && /hash.*match/i.test(message)) return 'hashMismatch';
  // An emulator that keeps objects as files.
  const isFolder = status === 500 && /: (?:not a directory|is a directory|file exists)$/.test(message);
  return isFolder ? 'keyIsFolder' : reason;
}

function systemReasonOf(error: Error): string {
  const { code, status, response } = error as SystemError;
  if (typeof code === 'string' && !/^(?:\d+$|ERR_OSSL)/.test(code)) return code;
  // Only the login's own requests fail so, or what it needs for them.
  const answered = Number(status ?? response?.status ?? code);
  if (answered >= 500) return 'backendError';
  if (answered >= 400 || /default credentials|private[ _]key|DECODER|PEM/i.test(error.message)) return 'LoginFailed';
  return error.name;
}

/**
 * The error to throw for a failed call: the signal's own reason if it has aborted; what is a `PackvaultError` stays as it is; all
 * else becomes one, with a cause that holds nothing of the request.
 */
export function gcsError(error: unknown, call: FailedCall): unknown {
  const { verb, key, location, range, signal } = call;
  if (signal?.aborted === true) return signal.reason;
  if (PackvaultError.is(error)) return error;
  const { reason, status } = answerOf(error);
  const cause = withoutSecrets(error);
  if (status === 416) return beyondEnd(error, key, range);
  const { code, retry, what, advice }: Meaning = meaningOf(reason, status);
  return new PackvaultError({
    code,
    retry,
    message: `${verb} of ${key === '' ? 'all keys' : key} in ${location} failed: ${what} (${shown(reason, status)}). ${UNHARMED[verb]}. ${advice}.`,
    context: { key, location, reason, ...contextOf(error) },
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
  return status === undefined || reason === `HTTP ${status}` ? reason : `${status} ${reason}`;
}

function beyondEnd(error: unknown, key: string, range: FailedCall['range']): PackvaultError {
  const [, total] = /^bytes \*\/(\d+)$/.exec((error as Refusal).headers['content-range'] ?? '') ?? [];
  return rangeInvalid(key, total === undefined ? 'the object ends before' : `the object has ${total} bytes`, {
    offset: range?.offset ?? 0,
    ...(range?.length !== undefined && { length: range.length }),
    ...(total !== undefined && { size: Number(total) }),
  });
}

function contextOf(error: unknown): Record<string, string | number> {
  if (!(error instanceof Refusal)) return {};
  const { status, headers } = error;
  const retryAfterMs = retryAfterOf(headers['retry-after']);
  const requestId = headers['x-guploader-uploadid'];
  return {
    status,
    ...(typeof requestId === 'string' && { requestId }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}

/** RFC 9110, section 10.2.3: seconds or a date. In milliseconds from now. */
function retryAfterOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isSafeInteger(ms) ? Math.max(0, ms) : undefined;
}

/**
 * The original error's name, message, code and stack, and nothing else of it: what hangs on errors of the login leads to keys and
 * tokens.
 */
function withoutSecrets(error: unknown): Error {
  const original = error instanceof Error ? error : new Error(String(error));
  const cause = new Error(masked(original.message).slice(0, MESSAGE_LENGTH));
  cause.name = original.name;
  const frames = original.stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? [];
  cause.stack = [`${cause.name}: ${cause.message}`, ...frames].join('\n');
  const { code } = original as SystemError;
  return typeof code === 'string' ? Object.assign(cause, { code }) : cause;
}

/** Without tokens, assertions and keys. */
function masked(text: string): string {
  return text
    .replace(/-----BEGIN[^]*?(?:-----END[^-]*-----|$)/g, '***')
    .replace(/\b(Bearer )[^\s"'<]+/gi, '$1***')
    .replace(/\bya29\.[^\s"'<]+/g, '***')
    .replace(
      /\b((?:assertion|access_token|refresh_token|client_secret|id_token|private_key)["']?\s*[=:]\s*["']?)[^\s,&"'<]+/gi,
      '$1***',
    );
}
