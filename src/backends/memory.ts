/** The reference store: what `StorageBackend` means, in memory. */
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
  resolveRange,
  type StorageBackend,
} from '../core/backend.ts';

interface StoredObject {
  readonly body: Uint8Array;
  readonly modifiedAt: Date;
}

export interface MemoryBackendOptions {
  /** Default `memory:`. */
  readonly location?: string;
  /** In bytes, default 4 GiB. */
  readonly maxObjectSize?: number;
  /** Default 1,000. */
  readonly maxDeleteBatch?: number;
}

/** A store that lives as long as its instances. For tests, and as the plainest reading of the contract. */
export class MemoryBackend implements StorageBackend {
  readonly location: string;
  readonly capabilities: BackendCapabilities;
  #objects = new Map<string, StoredObject>();

  constructor(options: MemoryBackendOptions = {}) {
    this.location = options.location ?? 'memory:';
    this.capabilities = {
      exclusiveCreate: true,
      durablePut: false,
      maxObjectSize: options.maxObjectSize ?? 2 ** 32,
      maxDeleteBatch: options.maxDeleteBatch ?? 1_000,
    };
  }

  /** Another instance on the same objects, as a second client has it. */
  share(): MemoryBackend {
    const other = new MemoryBackend({ location: this.location, ...this.capabilities });
    other.#objects = this.#objects;
    return other;
  }

  async put(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    options.signal?.throwIfAborted();
    checkPut(key, body, this.capabilities);
    if (options.mode === 'create' && this.#objects.has(key)) throw alreadyExists(key);
    this.#objects.set(key, { body: Uint8Array.from(body), modifiedAt: new Date() });
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array> {
    options.signal?.throwIfAborted();
    checkKey(key);
    const range = checkRange(key, options);
    const { body } = this.#find(key);
    const { start, end } = resolveRange(key, body.byteLength, range, options.maxBytes);
    return body.slice(start, end);
  }

  async stat(key: string, options: BackendCallOptions = {}): Promise<ObjectInfo> {
    options.signal?.throwIfAborted();
    checkKey(key);
    const { body, modifiedAt } = this.#find(key);
    return { key, size: body.byteLength, modifiedAt };
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo, void, undefined> {
    options.signal?.throwIfAborted();
    checkListing(prefix, options.startAfter);
    const after = options.startAfter ?? '';
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix) && key > after);
    // Keys are ASCII: the order of UTF-16 units, which sort() uses, is the order of bytes.
    for (const key of keys.toSorted()) {
      options.signal?.throwIfAborted();
      const object = this.#objects.get(key);
      if (object !== undefined) yield { key, size: object.body.byteLength, modifiedAt: object.modifiedAt };
    }
  }

  async delete(keys: readonly string[], options: BackendCallOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    checkDelete(keys, this.capabilities);
    for (const key of keys) this.#objects.delete(key);
  }

  /** The objects stay, for other instances. */
  async [Symbol.asyncDispose](): Promise<void> {}

  #find(key: string): StoredObject {
    const object = this.#objects.get(key);
    if (object === undefined) throw notFound(key);
    return object;
  }
}
