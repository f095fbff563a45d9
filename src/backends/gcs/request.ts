/** One request, in bounded time, that can be aborted. */
import * as http from 'node:http';
import * as https from 'node:https';
import type { Session } from './client.ts';
import { brokenAnswer, type FailedCall, Refusal } from './errors.ts';

export interface Request {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Path and query behind the endpoint. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent one after another, uncopied. */
  readonly body?: readonly Uint8Array[];
}

export interface Limits {
  readonly idleTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** Each piece that comes tells that the download moves. */
  readonly body: AsyncIterable<Uint8Array>;
}

// Of the body of a refusal.
const MAX_REFUSAL_BYTES = 65_536;

/**
 * Sends a request and gives its answer to `read`. `Refusal` for every status but 200 to 299. When the caller aborts, or a limit is
 * reached, the connection is closed and the call rejects at once; a body that `read` leaves unread closes its connection, too.
 */
export async function send<T>(
  session: Session,
  call: FailedCall,
  limits: Limits,
  request: Request,
  read: (answer: Answer) => Promise<T>,
): Promise<T> {
  call.signal?.throwIfAborted();
  const over = new AbortController();
  const give = (what: string) => (): void =>
    over.abort(brokenAnswer(call, what, 'safe', 'The same call may be repeated'));
  const whole = setTimeout(give(`it took more than ${limits.requestTimeoutMs} ms`), limits.requestTimeoutMs);
  // Until a socket watches over it: what a login asks for has no limit of its own.
  const idle = setTimeout(give(`nothing moved for ${limits.idleTimeoutMs} ms`), limits.idleTimeoutMs);
  const byCaller = (): void => over.abort(call.signal?.reason);
  call.signal?.addEventListener('abort', byCaller, { once: true });
  const ended = new Promise<never>((_, reject) => {
    over.signal.addEventListener('abort', () => reject(over.signal.reason), { once: true });
  });
  const moved = (): void => void idle.refresh();
  try {
    return await Promise.race([ended, exchange(session, request, over.signal, moved, read)]);
  } finally {
    clearTimeout(whole);
    clearTimeout(idle);
    call.signal?.removeEventListener('abort', byCaller);
  }
}

async function exchange<T>(
  session: Session,
  request: Request,
  signal: AbortSignal,
  moved: () => void,
  read: (answer: Answer) => Promise<T>,
): Promise<T> {
  const url = session.endpoint + request.path;
  const login = await session.login(url);
  signal.throwIfAborted();
  const sent = open(session, url, { ...request, headers: { ...login, ...request.headers } }, signal);
  let raw: http.IncomingMessage | undefined;
  try {
    raw = await headOf(sent, request.body ?? [], moved);
    const { statusCode: status = 0, headers } = raw;
    const body = watched(raw, moved);
    if (status >= 200 && status < 300) return await read({ status, headers, body });
    throw new Refusal(status, headers, await textOf(body, MAX_REFUSAL_BYTES));
  } finally {
    // After a body was read to its end, this keeps the connection; a server that refuses early is not sent the rest.
    raw?.destroy();
    if (!sent.writableFinished) sent.destroy();
  }
}

function open({ agent }: Session, url: string, request: Request, signal: AbortSignal): http.ClientRequest {
  const { method, headers, body } = request;
  const size = body?.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return (url.startsWith('https:') ? https : http).request(url, {
    method,
    agent,
    signal,
    headers: { ...headers, 'user-agent': 'packvault', ...(size !== undefined && { 'content-length': String(size) }) },
  });
}

/** Sends the body; resolves with the head of the answer. */
async function headOf(
  sent: http.ClientRequest,
  body: readonly Uint8Array[],
  moved: () => void,
): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.on('error', reject);
    sent.once('response', (answer) => {
      moved();
      resolve(answer);
    });
    upload(sent, body, moved).catch(reject);
  });
}

/** In pieces, so that each one that leaves tells that the upload moves. */
async function upload(sent: http.ClientRequest, body: readonly Uint8Array[], moved: () => void): Promise<void> {
  for (const part of body) {
    for (let at = 0; at < part.byteLength && !sent.destroyed; at += PIECE) {
      const more = sent.write(part.subarray(at, at + PIECE));
      moved();
      if (!more && !sent.destroyed) await drained(sent);
    }
  }
  sent.end();
}

const PIECE = 262_144;

async function drained(sent: http.ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      sent.off('drain', go).off('close', go);
      resolve();
    };
    sent.on('drain', go).on('close', go);
  });
}

async function* watched(body: AsyncIterable<Uint8Array>, moved: () => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    moved();
    yield chunk;
  }
}

/** A text body, or as much of it as is allowed. */
export async function textOf(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    chunks.push(chunk);
    if (size >= maxBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxBytes).toString('utf8');
}
