/** The contract, on S3. */
import { createHash } from 'node:crypto';
import type { ListObjectsV2CommandOutput, PutObjectCommandInput } from '@aws-sdk/client-s3';
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
import { PackvaultError } from '../../core/errors.ts';
import { bodyOf, infoOf, notS3, rangeHeader } from './answers.ts';
import { changeHeaders, connect, type Session, sending } from './client.ts';
import { type Deletion, deleteAll } from './deletion.ts';
import { answerOf, brokenAnswer, type FailedCall, s3Error } from './errors.ts';
import { objectsOf } from './listing.ts';
import { MAX_OBJECT_SIZE, type ResolvedOptions, resolveOptions, type S3BackendOptions } from './options.ts';

/** Of a listing and of a DeleteObjects request (S3's limits). */
const PAGE_KEYS = 1_000;
// AWS Signature Version 4 signs it in place of the body.
const SIGNED_HASH = 'x-amz-content-sha256';

/**
 * A store in a bucket, under a prefix. The constructor does no I/O; the SDK, an optional peer dependency, is loaded by the first
 * call. Every put is one PutObject, every get one GetObject, a listing one ListObjectsV2 per 1,000 objects.
 *
 * Creates carry `If-None-Match: *`. A server that answers it with NotImplemented (Backblaze B2) is remembered: from then on a create
 * looks first and then writes, so that of two creates at the same moment both may win, and `capabilities.exclusiveCreate` is false.
 * A server that accepts the condition and ignores it needs the option `conditionalWrites: false`.
 *
 * `stat` asks with HEAD; since an answer to HEAD names no reason, a refused one is followed by a GET that is not read.
 */
export class S3Backend implements StorageBackend {
  readonly location: string;
  readonly #options: ResolvedOptions;
  readonly #slots: ReturnType<typeof pLimit>;
  #session: Promise<Session> | undefined;
  #conditionalWrites: boolean;
  readonly #deletion = { batches: true };

  /** INVALID_ARGUMENT for options that can't be. */
  constructor(options: S3BackendOptions) {
    this.#options = resolveOptions(options);
    this.location = this.#options.location;
    // Beyond that, requests would wait inside the SDK, where their time-outs already run.
    this.#slots = pLimit(this.#options.maxSockets);
    this.#conditionalWrites = this.#options.conditionalWrites;
  }

  get capabilities(): BackendCapabilities {
    return {
      exclusiveCreate: this.#conditionalWrites,
      durablePut: true,
      maxObjectSize: MAX_OBJECT_SIZE,
      maxDeleteBatch: PAGE_KEYS,
    };
  }

  async put(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    const { mode, sha256, signal } = options;
    signal?.throwIfAborted();
    checkPut(key, body, this.capabilities);
    const call: FailedCall = { verb: 'put', key, location: this.location, signal };
    await this.#perform(call, async (session) => {
      const upload = { body, sha256 };
      if (mode === 'overwrite') await this.#upload(session, call, upload, {});
      else if (!(await this.#createByCondition(session, call, upload)))
        await this.#createByLooking(session, call, upload);
    });
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array> {
    const { maxBytes, signal } = options;
    signal?.throwIfAborted();
    checkKey(key);
    const range = checkRange(key, options);
    const call: FailedCall = { verb: 'get', key, location: this.location, range, signal };
    return this.#perform(call, async ({ sdk, client }) => {
      const input = { ...this.#place(key), ...(range !== undefined && { Range: rangeHeader(range) }) };
      const answer = await client.send(new sdk.GetObjectCommand(input), sending(signal));
      return bodyOf(answer, call, { range, maxBytes, idleTimeoutMs: this.#options.idleTimeoutMs });
    });
  }

  async stat(key: string, options: BackendCallOptions = {}): Promise<ObjectInfo> {
    const { signal } = options;
    signal?.throwIfAborted();
    checkKey(key);
    const call: FailedCall = { verb: 'stat', key, location: this.location, signal };
    return this.#perform(call, async (session) => this.#look(session, call));
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo, void, undefined> {
    const { startAfter = '', signal } = options;
    signal?.throwIfAborted();
    checkListing(prefix, startAfter);
    const { bucket, prefix: folder } = this.#options;
    const call: FailedCall = { verb: 'list', key: prefix, location: this.location, signal };
    const ask = async (token: string | undefined): Promise<ListObjectsV2CommandOutput> =>
      this.#perform(call, async ({ sdk, client }) => {
        const input = {
          Bucket: bucket,
          Prefix: folder + prefix,
          MaxKeys: PAGE_KEYS,
          // Keys of others may hold what XML cannot.
          EncodingType: 'url' as const,
          ...(startAfter !== '' && { StartAfter: folder + startAfter }),
          ...(token !== undefined && { ContinuationToken: token }),
        };
        return client.send(new sdk.ListObjectsV2Command(input), sending(signal));
      });
    yield* objectsOf(ask, folder, startAfter, call);
  }

  async delete(keys: readonly string[], options: BackendCallOptions = {}): Promise<void> {
    const { signal } = options;
    signal?.throwIfAborted();
    checkDelete(keys, this.capabilities);
    const [first] = keys;
    if (first === undefined) return;
    const call: FailedCall = { verb: 'delete', key: first, location: this.location, signal };
    const { bucket, prefix } = this.#options;
    const perform: Deletion['perform'] = async (own, request) => this.#perform(own, request);
    await deleteAll({ bucket, prefix, keys, call, perform, support: this.#deletion });
  }

  /** Closes the connections, unless the client was given. A later call opens new ones. */
  async [Symbol.asyncDispose](): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    if (this.#options.client !== undefined) return;
    const opened = await session?.catch(() => undefined);
    opened?.client.destroy();
  }

  /** Runs a request when a connection is free for it. What it throws becomes a `PackvaultError`. */
  async #perform<T>(call: FailedCall, request: (session: Session) => Promise<T>): Promise<T> {
    try {
      return await this.#slots(async () => {
        call.signal?.throwIfAborted();
        return request(await this.#open());
      });
    } catch (error) {
      throw s3Error(error, call);
    }
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

  #place(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#options.bucket, Key: this.#options.prefix + key };
  }

  async #look({ sdk, client }: Session, call: FailedCall): Promise<ObjectInfo> {
    const place = this.#place(call.key);
    try {
      return infoOf(await client.send(new sdk.HeadObjectCommand(place), sending(call.signal)), call);
    } catch (error) {
      if (answerOf(error).status === undefined) throw error;
      const answer = await client.send(new sdk.GetObjectCommand(place), sending(call.signal));
      (answer.Body as { destroy(): void } | undefined)?.destroy();
      return infoOf(answer, call);
    }
  }

  /** False if the server has no such condition. */
  async #createByCondition(session: Session, call: FailedCall, upload: Upload): Promise<boolean> {
    if (!this.#conditionalWrites) return false;
    try {
      await this.#upload(session, call, upload, { IfNoneMatch: '*' });
      return true;
    } catch (error) {
      const { reason, status, attempts } = answerOf(error);
      // By name: a proxy that is in trouble may say 501, too.
      if (reason === 'NotImplemented') {
        this.#conditionalWrites = false;
        return false;
      }
      if (reason !== 'PreconditionFailed' && status !== 412) throw error;
      // A given client has repeated the request by itself: the object may be the one that its first try stored.
      if (attempts > 1) throw brokenAnswer(call, 'the first answer was lost', 'safe', 'The same call may be repeated');
      throw alreadyExists(call.key);
    }
  }

  async #createByLooking(session: Session, call: FailedCall, upload: Upload): Promise<void> {
    const found = await this.#look(session, { ...call, verb: 'stat' }).then(
      () => true,
      (error: unknown) => {
        const told = s3Error(error, { ...call, verb: 'stat' });
        if (PackvaultError.is(told) && told.code === 'NOT_FOUND') return false;
        throw error;
      },
    );
    if (found) throw alreadyExists(call.key);
    await this.#upload(session, call, upload, {});
  }

  async #upload(
    { sdk, client, aws }: Session,
    call: FailedCall,
    { body, sha256: known }: Upload,
    condition: Pick<PutObjectCommandInput, 'IfNoneMatch'>,
  ): Promise<void> {
    const { storageClass, serverSideEncryption, kmsKeyId, uploadCheck = aws ? 'sha256' : 'md5' } = this.#options;
    const sha256 = known ?? (uploadCheck === 'sha256' ? hash('sha256', body) : undefined);
    const input = {
      ...this.#place(call.key),
      Body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
      ...condition,
      ...(uploadCheck === 'sha256'
        ? { ChecksumSHA256: base64(sha256 ?? hash('sha256', body)) }
        : { ContentMD5: base64(hash('md5', body)) }),
      ...(storageClass !== undefined && { StorageClass: storageClass }),
      ...(serverSideEncryption !== undefined && { ServerSideEncryption: serverSideEncryption }),
      ...(kmsKeyId !== undefined && { SSEKMSKeyId: kmsKeyId }),
    } as PutObjectCommandInput;
    const command = new sdk.PutObjectCommand(input);
    // Signed with the hash that is known of its body, it is not hashed again, and the server checks it against the engine's hash.
    if (sha256 !== undefined) changeHeaders(command, (headers) => void (headers[SIGNED_HASH] = hex(sha256)));
    const { ETag } = await client.send(command, sending(call.signal));
    // Whatever said that all is well, it was no store.
    if (ETag === undefined) throw notS3(call);
  }
}

interface Upload {
  readonly body: Uint8Array;
  readonly sha256: Uint8Array | undefined;
}

function hash(algorithm: 'sha256' | 'md5', body: Uint8Array): Uint8Array {
  return createHash(algorithm).update(body).digest();
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
