/** The contract, on Azure Blob Storage. */
import type { ContainerClient } from '@azure/storage-blob';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
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
  type ObjectInfo,
  type PutOptions,
  type StorageBackend,
} from '../../core/backend.ts';
import { bodyOf, infoOf, notAzure } from './answers.ts';
import { connect } from './client.ts';
import { answerOf, azureError, damagedUpload, type FailedCall } from './errors.ts';
import { Bookmarks, objectsOf } from './listing.ts';
import { type AzureBackendOptions, MAX_OBJECT_SIZE, type ResolvedOptions, resolveOptions } from './options.ts';
import { type Watch, watched } from './watch.ts';

/** Of a listing (Azure's limit). */
const PAGE_OBJECTS = 5_000;
/** Of an upload, in bytes: how much moves before its limit of time begins anew. */
const SLICE = 65_536;

/**
 * A store in a container, under a prefix. The constructor does no I/O; the SDK, an optional peer dependency, is loaded by the
 * first call. Every put is one Put Blob, every get one Get Blob, a listing one List Blobs per 5,000 objects.
 *
 * Creates carry `If-None-Match: *`, uploads Content-MD5; the server refuses what doesn't match.
 */
export class AzureBackend implements StorageBackend {
  readonly location: string;
  readonly capabilities: BackendCapabilities = {
    exclusiveCreate: true,
    durablePut: true,
    maxObjectSize: MAX_OBJECT_SIZE,
    maxDeleteBatch: 256,
  };
  readonly #options: ResolvedOptions;
  readonly #slots: ReturnType<typeof pLimit>;
  readonly #bookmarks = new Bookmarks();
  #client: Promise<ContainerClient> | undefined;

  /** INVALID_ARGUMENT for options that can't be. */
  constructor(options: AzureBackendOptions) {
    this.#options = resolveOptions(options);
    this.location = this.#options.location;
    this.#slots = pLimit(this.#options.maxSockets);
  }

  async put(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    const { mode, signal } = options;
    signal?.throwIfAborted();
    checkPut(key, body, this.capabilities);
    const call: FailedCall = { verb: 'put', key, location: this.location, signal };
    await this.#perform(call, async (client, watch) => {
      const md5 = createHash('md5').update(body).digest();
      const settings = {
        abortSignal: watch.signal,
        // The server checks the body against either; some versions of the SDK send only the one, some only the other.
        transactionalContentMD5: md5,
        blobHTTPHeaders: { blobContentMD5: md5 },
        ...(mode === 'create' && { conditions: { ifNoneMatch: '*' } }),
      };
      try {
        const { etag, requestId, contentMD5 } = await client
          .getBlockBlobClient(this.#options.prefix + key)
          .upload(() => slicesOf(body, watch), body.byteLength, settings);
        // Whatever said that all is well, it was no store.
        if (etag === undefined || requestId === undefined) throw notAzure(call);
        if (contentMD5 !== undefined && !md5.equals(contentMD5)) throw damagedUpload(call);
      } catch (error) {
        const { reason } = answerOf(error);
        if (mode === 'create' && (reason === 'BlobAlreadyExists' || reason === 'ConditionNotMet'))
          throw alreadyExists(key);
        throw error;
      }
    });
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array> {
    const { maxBytes, signal } = options;
    signal?.throwIfAborted();
    checkKey(key);
    const range = checkRange(key, options);
    const call: FailedCall = { verb: 'get', key, location: this.location, range, signal };
    return this.#perform(call, async (client, { signal: abortSignal, moved }) => {
      const answer = await client
        .getBlockBlobClient(this.#options.prefix + key)
        .download(range?.offset ?? 0, range?.length, { abortSignal, maxRetryRequests: 0 });
      return bodyOf(answer, call, { range, maxBytes }, moved);
    });
  }

  async stat(key: string, options: BackendCallOptions = {}): Promise<ObjectInfo> {
    const { signal } = options;
    signal?.throwIfAborted();
    checkKey(key);
    const call: FailedCall = { verb: 'stat', key, location: this.location, signal };
    return this.#perform(call, async (client, { signal: abortSignal }) => {
      const blob = client.getBlockBlobClient(this.#options.prefix + key);
      return infoOf(await blob.getProperties({ abortSignal }), call);
    });
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo, void, undefined> {
    const { startAfter = '', signal } = options;
    signal?.throwIfAborted();
    checkListing(prefix, startAfter);
    const { prefix: folder } = this.#options;
    const call: FailedCall = { verb: 'list', key: prefix, location: this.location, signal };
    const ask = async (marker: string | undefined) =>
      this.#perform(call, async (client, { signal: abortSignal }) => {
        const pages = client
          .listBlobsFlat({ prefix: folder + prefix, includeMetadata: true, abortSignal })
          .byPage({ maxPageSize: PAGE_OBJECTS, ...(marker !== undefined && { continuationToken: marker }) });
        const { done, value } = await pages.next();
        if (done === true) throw notAzure(call);
        return value;
      });
    yield* objectsOf({ ask, folder, prefix, startAfter, bookmarks: this.#bookmarks, call });
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

  /** Forgets the client and where listings stopped. A later call begins anew. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#client = undefined;
    this.#bookmarks.clear();
  }

  async #deleteOne(call: FailedCall): Promise<void> {
    await this.#perform(call, async (client, { signal: abortSignal }) => {
      const blob = client.getBlockBlobClient(this.#options.prefix + call.key);
      try {
        // What somebody else made of it must not keep it alive.
        const { requestId } = await blob.delete({ abortSignal, deleteSnapshots: 'include' });
        if (requestId === undefined) throw notAzure(call);
      } catch (error) {
        if (answerOf(error).reason !== 'BlobNotFound') throw error;
      }
    });
  }

  /** Runs a request when its turn has come, within its limits of time. What it throws becomes a `PackvaultError`. */
  async #perform<T>(call: FailedCall, request: (client: ContainerClient, watch: Watch) => Promise<T>): Promise<T> {
    try {
      return await this.#slots(async () =>
        watched(call, this.#options, async (watch) => request(await this.#open(), watch)),
      );
    } catch (error) {
      throw azureError(error, call);
    }
  }

  async #open(): Promise<ContainerClient> {
    this.#client ??= connect(this.#options);
    const client = this.#client;
    client.catch(() => {
      // An SDK that is installed meanwhile is found.
      if (this.#client === client) this.#client = undefined;
    });
    return client;
  }
}

const DELETES_AT_ONCE = 16;

/** A body in pieces, so that each piece that leaves tells that the upload moves. After the end of the call it is not read. */
function slicesOf(body: Uint8Array, { signal, moved }: Watch): Readable {
  function* slices(): Generator<Uint8Array, void, undefined> {
    for (let at = 0; at < body.byteLength && !signal.aborted; at += SLICE) {
      moved();
      yield body.subarray(at, at + SLICE);
    }
  }
  return Readable.from(slices(), { objectMode: false, highWaterMark: SLICE });
}
