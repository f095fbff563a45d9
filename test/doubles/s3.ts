/**
 * An S3 server in this process, for what real servers can't be made to do: it counts requests, and answers them with faults. It
 * knows what a backend needs of AWS (conditional puts, checksums, ranges, paging, batch deletes) and its error documents. Logins
 * are told by their access key; signatures are not checked, the clock is.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type Answer,
  answerTo,
  errorAnswer,
  type S3Object,
  type S3Request,
  type S3Verb,
  verbOf,
} from './s3-answers.ts';

/** What happens to a request. */
export type S3Fault =
  /** It is not looked at, but answered with this: by default an error document with `code`. */
  | {
      readonly status: number;
      readonly code?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** The connection is cut before anything was done. */
  | 'reset'
  /** All is done, and the connection cut before the answer. */
  | 'lost-answer'
  /** Nothing is answered, and the connection stays open. */
  | 'stall'
  /** Half of the body is sent, then nothing more, and the connection stays open. */
  | 'stall-body'
  /** The connection is cut in the middle of the body. */
  | 'cut-body'
  /** The body ends early, in a way that HTTP takes for whole. */
  | 'short-body'
  /** A bit of the body that is sent is another. */
  | 'flip-body'
  /** A bit of the body that came is another, as seen by the server's checks. */
  | 'flip-upload'
  /** The whole object is sent, whatever the range. */
  | 'ignore-range'
  /** The condition of a put is not looked at. */
  | 'ignore-condition'
  /** A page of HTML with status 200, as a proxy or a portal answers. */
  | 'html';

/** Which requests meet a fault. */
export interface S3Rule {
  readonly fault: S3Fault;
  /** Default: all. */
  readonly verbs?: readonly S3Verb[];
  /** Only so many of them. Default: all. */
  readonly times?: number;
}

export interface S3DoubleOptions {
  /** Another door to the objects of this double. Default: none, and no buckets. */
  readonly of?: S3Double;
  readonly rules?: readonly S3Rule[];
  /** How far its clock is ahead, in milliseconds. */
  readonly clockAheadMs?: number;
}

const HTML_PAGE = '<!DOCTYPE html><html><head><title>Log in</title></head><body>Welcome</body></html>';

const HALF = 0.5;

export class S3Double implements AsyncDisposable {
  readonly region: string = 'us-east-1';
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } = {
    accessKeyId: 'DOUBLEACCESSKEY',
    secretAccessKey: 'the-secret-of-the-double',
  };
  readonly buckets: Map<string, Map<string, S3Object>>;
  readonly #server: Server;
  readonly #clockAheadMs: number;
  readonly #rules: { readonly rule: S3Rule; met: number }[] = [];
  readonly #log: S3Request[] = [];

  private constructor({ of, rules = [], clockAheadMs = 0 }: S3DoubleOptions) {
    this.buckets = of?.buckets ?? new Map();
    this.#clockAheadMs = clockAheadMs;
    for (const rule of rules) this.add(rule);
    this.#server = createServer((incoming, outgoing) => {
      this.#serve(incoming, outgoing).catch((error: unknown) => outgoing.destroy(error as Error));
    });
    this.#server.keepAliveTimeout = 60_000;
  }

  static async start(options: S3DoubleOptions = {}): Promise<S3Double> {
    const double = new S3Double(options);
    await new Promise<void>((resolve) => {
      double.#server.listen(0, '127.0.0.1', resolve);
    });
    return double;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What has been asked, in the order of arrival. */
  get requests(): readonly S3Request[] {
    return this.#log;
  }

  /** How often each verb has been asked. */
  get counts(): Partial<Record<S3Verb, number>> {
    const counts: Partial<Record<S3Verb, number>> = {};
    for (const { verb } of this.#log) counts[verb] = (counts[verb] ?? 0) + 1;
    return counts;
  }

  /** Forgets what has been asked. */
  forget(): void {
    this.#log.length = 0;
  }

  createBucket(name: string): void {
    this.buckets.set(name, new Map());
  }

  /** Adds a rule, and returns what takes it away. The first rule that matches counts. */
  add(rule: S3Rule): () => void {
    const counted = { rule, met: 0 };
    this.#rules.push(counted);
    return () => {
      this.#rules.splice(this.#rules.indexOf(counted), 1);
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', this.url);
    const [bucket = '', ...segments] = url.pathname.slice(1).split('/');
    const key = decodeURIComponent(segments.join('/'));
    const verb = verbOf(incoming.method ?? '', key, url.searchParams);
    const request: S3Request = { verb, bucket, key, query: url.searchParams, headers: incoming.headers };
    this.#log.push(request);
    const fault = this.#faultOf(verb);
    if (fault === 'stall') return;
    if (fault === 'reset') {
      incoming.socket.resetAndDestroy();
      return;
    }
    const body = await bodyOf(incoming);
    if (fault === undefined || typeof fault === 'string') {
      const answer = this.#answer({ ...request, ...without(fault, incoming) }, damaged(fault, body));
      const headers = { 'x-amz-request-id': 'DOUBLE', ...answer.headers };
      send(outgoing, { ...answer, headers }, verb, fault, this.#now());
    } else {
      const { status, code = 'Failure', headers = {}, body: text } = fault;
      const answer =
        text === undefined ? errorAnswer(status, code, headers) : { status, headers, body: Buffer.from(text) };
      send(outgoing, answer, verb, undefined, this.#now());
    }
  }

  #faultOf(verb: S3Verb): S3Fault | undefined {
    const counted = this.#rules.find(
      ({ rule, met }) => (rule.verbs?.includes(verb) ?? true) && met < (rule.times ?? Number.POSITIVE_INFINITY),
    );
    if (counted === undefined) return undefined;
    counted.met += 1;
    return counted.rule.fault;
  }

  #answer(request: S3Request, body: Buffer): Answer {
    const { authorization = '', 'x-amz-date': date = '' } = request.headers;
    if (!authorization.includes(`Credential=${this.credentials.accessKeyId}/`)) {
      return errorAnswer(403, 'InvalidAccessKeyId');
    }
    const [, year, month, day, hour, minute, second] = /^(....)(..)(..)T(..)(..)(..)Z$/.exec(String(date)) ?? [];
    const sent = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
    if (!(Math.abs(sent - this.#now()) < 900_000)) return errorAnswer(403, 'RequestTimeTooSkewed');
    return answerTo(request, body, this.buckets);
  }

  #now(): number {
    return Date.now() + this.#clockAheadMs;
  }
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The headers that a fault lets the server see. */
function without(fault: S3Fault | undefined, { headers }: IncomingMessage): Partial<S3Request> {
  const { range, 'if-none-match': condition, ...others } = headers;
  if (fault === 'ignore-range') return { headers: { ...others, ...(condition && { 'if-none-match': condition }) } };
  if (fault === 'ignore-condition') return { headers: { ...others, ...(range && { range }) } };
  return {};
}

function damaged(fault: S3Fault | undefined, body: Buffer): Buffer {
  return fault === 'flip-upload' ? flipped(body) : body;
}

function flipped(body: Buffer): Buffer {
  const copy = Buffer.from(body);
  const at = Math.floor(copy.byteLength * HALF);
  if (copy.byteLength > 0) copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

function send(
  outgoing: ServerResponse,
  { status, headers, body }: Answer,
  verb: S3Verb,
  fault: S3Fault | undefined,
  now: number,
): void {
  outgoing.setHeader('date', new Date(now).toUTCString());
  if (fault === 'lost-answer') return void outgoing.socket?.resetAndDestroy();
  if (fault === 'html') return void outgoing.writeHead(200, { 'content-type': 'text/html' }).end(HTML_PAGE);
  const length = { 'content-length': String(headers['content-length'] ?? body.byteLength) };
  const half = body.subarray(0, Math.floor(body.byteLength * HALF));
  const broken = status < 300 && verb === 'get';
  if (broken && fault === 'short-body') return void outgoing.writeHead(status, headers).end(half);
  outgoing.writeHead(status, { ...headers, ...length });
  if (broken && fault === 'cut-body') return void outgoing.write(half, () => outgoing.socket?.resetAndDestroy());
  if (broken && fault === 'stall-body') return void outgoing.write(half);
  outgoing.end(verb === 'head' ? undefined : fault === 'flip-body' ? flipped(body) : body);
}
