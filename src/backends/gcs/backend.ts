/** The contract, on Google Cloud Storage. */
import { createHash, randomUUID } from 'node:crypto';
import pLimit from 'p-limit';
import {
  alreadyExists,
  type BackendCallOptions,
  type BackendCapabilities,
  checkDelete,
  checkKey,
  checkListing,
  checkPut,
  checkRange,
  type GetOptions,
  type ListOptions,
  notFound,
  type ObjectInfo,
  type PutOptions,
  type StorageBackend,
} from '../../core/backend.ts';
import {
  bodyOf,
  checkStored,
  infoOf,
  jsonOf,
  notGcs,
  type ObjectResource,
  type PageResource,
  rangeHeader,
} from './answers.ts';
import { connect, type Session } from './client.ts';
import { type FailedCall, gcsError, Refusal } from './errors.ts';
import { objectsOf } from './listing.ts';
import { type GcsBackendOptions, MAX_OBJECT_SIZE, type ResolvedOptions, resolveOptions } from './options.ts';
import { type Answer, type Request, send, textOf } from './request.ts';

/** Of a listing (Google's limit). Some servers list without end where it is not given. */
const PAGE_OBJECTS = 1_000;
const OBJECT_FIELDS = 'name,size,updated';
const DELETES_AT_ONCE = 16;

/**
 * A store in a bucket, under a prefix. The constructor does no I/O; the SDK, an optional peer dependency, is loaded by the first
 * call. Every put, get and stat is one request, a listing one per 1,000 objects, a delete one per object.
 *
 * Creates carry `ifGenerationMatch=0`, uploads their MD5; the server refuses what doesn't match. A read that finds nothing may be
 * followed by a listing of one object, where the server does not say whether object or bucket is missing.
 *
 * Proven against an emulator, which asks nobody for credentials: logins are those of the SDK, but no test of ours has seen one.
 */
export class GcsBackend implements StorageBackend {
  readonly location: string;
  readonly capabilities: BackendCapabilities = {
    exclusiveCreate: true,
    durablePut: true,
    maxObjectSize: MAX_OBJECT_SIZE,
    maxDeleteBatch: 256,
  };
  readonly #options: ResolvedOptions;
  readonly #slots: ReturnType<typeof pLimit>;
  #session: Promise<Session> | undefined;

  /** INVALID_ARGUMENT for options that can't be. */
  constructor(options: GcsBackendOptions) {
    this.#options = resolveOptions(options);
    this.location = this.#options.location;
    // Beyond that, requests would wait for a connection, where their limits of time already run.
    this.#slots = pLimit(this.#options.maxSockets);
  }

  async put(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    const { mode, signal } = options;
    signal?.throwIfAborted();
    checkPut(key, body, this.capabilities);
    const call: FailedCall = { verb: 'put', key, location: this.location, signal };
    const name = this.#options.prefix + key;
    const md5 = createHash('md5').update(body).digest('base64');
    const query = { uploadType: 'multipart', name, ...(mode === 'create' && { ifGenerationMatch: '0' }) };
    const path = `/upload${this.#bucketPath()}?${new URLSearchParams(query).toString()}`;
    await this.#perform(call, { method: 'POST', path, ...uploadOf(body, md5) }, async (answer) => {
      checkStored(await jsonOf<ObjectResource>(answer, call), name, body, md5, call);
    }).catch((error: unknown) => {
      if (mode === 'create' && error instanceof Refusal && error.status === 412) throw alreadyExists(key);
      throw gcsError(error, call);
    });
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array> {
    const { maxBytes, signal } = options;
    signal?.throwIfAborted();
    checkKey(key);
    const range = checkRange(key, options);
    const call: FailedCall = { verb: 'get', key, location: this.location, range, signal };
    const path = `${this.#objectPath(key)}?alt=media`;
    const headers = range === undefined ? {} : { range: rangeHeader(range) };
    return this.#performOnObject(call, { method: 'GET', path, headers }, async (answer) =>
      bodyOf(answer, call, { range, maxBytes }),
    );
  }

  async stat(key: string, options: BackendCallOptions = {}): Promise<ObjectInfo> {
    const { signal } = options;
    signal?.throwIfAborted();
    checkKey(key);
    const call: FailedCall = { verb: 'stat', key, location: this.location, signal };
    const path = `${this.#objectPath(key)}?fields=${OBJECT_FIELDS}`;
    return this.#performOnObject(call, { method: 'GET', path }, async (answer) =>
      infoOf(await jsonOf<ObjectResource>(answer, call), this.#options.prefix + key, call),
    );
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo, void, undefined> {
    const { startAfter = '', signal } = options;
    signal?.throwIfAborted();
    checkListing(prefix, startAfter);
    const { prefix: folder } = this.#options;
    const call: FailedCall = { verb: 'list', key: prefix, location: this.location, signal };
    const ask = async (token: string | undefined): Promise<PageResource> =>
      this.#page(call, {
        prefix: folder + prefix,
        maxResults: String(PAGE_OBJECTS),
        fields: `kind,nextPageToken,items(${OBJECT_FIELDS})`,
        ...(startAfter !== '' && { startOffset: folder + startAfter }),
        ...(token !== undefined && { pageToken: token }),
      });
    yield* objectsOf(ask, folder, startAfter, call);
  }

  async delete(keys: readonly string[], options: BackendCallOptions = {}): Promise<void> {
    const { signal } = options;
    signal?.throwIfAborted();
    checkDelete(keys, this.capabilities);
    const atOnce = pLimit(DELETES_AT_ONCE);
    let failed = false;
    // All of them are awaited: after a rejection nothing goes on in the background.
    const outcomes = await Promise.allSettled(
      keys.map(async (key) =>
        atOnce(async () => {
          if (failed) return;
          try {
            await this.#deleteOne({ verb: 'delete', key, location: this.location, signal });
          } catch (error) {
            failed = true;
            throw error;
          }
        }),
      ),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** Closes the connections. A later call opens new ones. */
  async [Symbol.asyncDispose](): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    const opened = await session?.catch(() => undefined);
    opened?.agent.destroy();
  }

  async #deleteOne(call: FailedCall): Promise<void> {
    await this.#perform(call, { method: 'DELETE', path: this.#objectPath(call.key) }, async ({ body }) => {
      // Google sends nothing; a page of HTML says that it was somebody else who answered.
      const text = (await textOf(body, 1_024)).trim();
      if (text !== '' && text !== 'null') throw notGcs(call);
    }).catch((error: unknown) => {
      const absent = error instanceof Refusal && error.status === 404 && error.reason === 'notFound';
      if (!absent || isOfBucket(error)) throw gcsError(error, call);
    });
  }

  async #page(call: FailedCall, query: Record<string, string>): Promise<PageResource> {
    const path = `${this.#bucketPath()}?${new URLSearchParams(query).toString()}`;
    return this.#perform(call, { method: 'GET', path }, async (answer) => jsonOf<PageResource>(answer, call)).catch(
      (error: unknown) => {
        throw gcsError(error, call);
      },
    );
  }

  /** As `#perform`; what it throws is told, and NOT_FOUND only when it is the object that is missing. */
  async #performOnObject<T>(call: FailedCall, request: Request, read: (answer: Answer) => Promise<T>): Promise<T> {
    try {
      return await this.#perform(call, request, read);
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== 404 || isOfBucket(error)) throw gcsError(error, call);
      if (!/^No such object/i.test(error.message)) await this.#checkBucket(call);
      throw notFound(call.key);
    }
  }

  /** Fails unless the bucket is there. Listing is a right that a repository needs anyway; looking at the bucket is another. */
  async #checkBucket(call: FailedCall): Promise<void> {
    const page = await this.#page(call, { maxResults: '1', prefix: this.#options.prefix, fields: 'kind' });
    if (page.kind !== 'storage#objects') throw notGcs(call);
  }

  /** Runs a request when a connection is free for it. */
  async #perform<T>(call: FailedCall, request: Request, read: (answer: Answer) => Promise<T>): Promise<T> {
    return this.#slots(async () => {
      call.signal?.throwIfAborted();
      return send(await this.#open(), call, this.#options, request, read);
    });
  }

  async #open(): Promise<Session> {
    this.#session ??= connect(this.#options);
    const session = this.#session;
    session.catch(() => {
      // An SDK that is installed meanwhile is found.
      if (this.#session === session) this.#session = undefined;
    });
    return session;
  }

  #bucketPath(): string {
    return `/storage/v1/b/${this.#options.bucket}/o`;
  }

  #objectPath(key: string): string {
    return `${this.#bucketPath()}/${encodeURIComponent(this.#options.prefix + key)}`;
  }
}

function isOfBucket(error: unknown): boolean {
  return error instanceof Refusal && /bucket does not exist/i.test(error.message);
}

/** Metadata and body in one request (RFC 2387). The server compares the body with the MD5 before it stores anything. */
function uploadOf(body: Uint8Array, md5Hash: string): Pick<Request, 'headers' | 'body'> {
  const boundary = randomUUID();
  // Readers of a public bucket would else get what was there an hour ago.
  const metadata = JSON.stringify({ md5Hash, cacheControl: 'no-store', contentType: 'application/octet-stream' });
  const head = `--${boundary}\r\ncontent-type: application/json\r\n\r\n${metadata}\r\n--${boundary}\r\ncontent-type: application/octet-stream\r\n\r\n`;
  return {
    headers: { 'content-type': `multipart/related; boundary=${boundary}` },
    body: [Buffer.from(head), body, Buffer.from(`\r\n--${boundary}--\r\n`)],
  };
}
