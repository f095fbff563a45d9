/** A store that nobody can change through this instance. */
import {
  type BackendCallOptions,
  type BackendCapabilities,
  checkDelete,
  checkPut,
  type GetOptions,
  type ListOptions,
  type ObjectInfo,
  type PutOptions,
  type StorageBackend,
} from '../../core/backend.ts';
import { PackvaultError } from '../../core/errors.ts';

/** Reads pass; put and delete are PERMISSION_DENIED, and the store is not asked. */
export class ReadonlyBackend implements StorageBackend {
  readonly #inner: StorageBackend;

  constructor(inner: StorageBackend) {
    this.#inner = inner;
  }

  get location(): string {
    return this.#inner.location;
  }

  get capabilities(): BackendCapabilities {
    return this.#inner.capabilities;
  }

  async put(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    options.signal?.throwIfAborted();
    checkPut(key, body, this.capabilities);
    throw this.#denied('put', key);
  }

  async get(key: string, options?: GetOptions): Promise<Uint8Array> {
    return this.#inner.get(key, options);
  }

  async stat(key: string, options?: BackendCallOptions): Promise<ObjectInfo> {
    return this.#inner.stat(key, options);
  }

  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo> {
    return this.#inner.list(prefix, options);
  }

  async delete(keys: readonly string[], options: BackendCallOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    checkDelete(keys, this.capabilities);
    const [key] = keys;
    if (key !== undefined) throw this.#denied('delete', key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  #denied(verb: string, key: string): PackvaultError {
    return new PackvaultError({
      code: 'PERMISSION_DENIED',
      message: `${verb} of ${key} in ${this.location} was refused: it was opened for reading only. Nothing was changed. Open it for writing to go on.`,
      context: { key, location: this.location },
    });
  }
}
