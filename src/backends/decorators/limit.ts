/** No more than so many requests at once. */
import pLimit, { type LimitFunction } from 'p-limit';
import type {
  BackendCallOptions,
  BackendCapabilities,
  GetOptions,
  ListOptions,
  ObjectInfo,
  PutOptions,
  StorageBackend,
} from '../../core/backend.ts';

/**
 * Requests beyond `requests` wait for their turn, in order. A listing takes a turn for each step, so that whoever reads it can
 * make requests of his own between two steps. A call that is aborted while it waits rejects at once.
 */
export class LimitBackend implements StorageBackend {
  readonly #inner: StorageBackend;
  readonly #limit: LimitFunction;

  /** `requests`: at least 1. */
  constructor(inner: StorageBackend, requests: number) {
    this.#inner = inner;
    this.#limit = pLimit(requests);
  }

  get location(): string {
    return this.#inner.location;
  }

  get capabilities(): BackendCapabilities {
    return this.#inner.capabilities;
  }

  async put(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    return this.#inTurn(options.signal, async () => this.#inner.put(key, body, options));
  }

  async get(key: string, options?: GetOptions): Promise<Uint8Array> {
    return this.#inTurn(options?.signal, async () => this.#inner.get(key, options));
  }

  async stat(key: string, options?: BackendCallOptions): Promise<ObjectInfo> {
    return this.#inTurn(options?.signal, async () => this.#inner.stat(key, options));
  }

  async *list(prefix: string, options?: ListOptions): AsyncGenerator<ObjectInfo, void, undefined> {
    const steps = this.#inner.list(prefix, options)[Symbol.asyncIterator]();
    let ended = false;
    try {
      for (;;) {
        const { done, value } = await this.#inTurn(options?.signal, async () => steps.next());
        ended = done === true;
        if (ended) return;
        yield value as ObjectInfo;
      }
    } finally {
      if (!ended) await steps.return?.();
    }
  }

  async delete(keys: readonly string[], options?: BackendCallOptions): Promise<void> {
    return this.#inTurn(options?.signal, async () => this.#inner.delete(keys, options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  async #inTurn<T>(signal: AbortSignal | undefined, request: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    return new Promise<T>((resolve, reject) => {
      const leave = (): void => reject(signal?.reason);
      signal?.addEventListener('abort', leave, { once: true });
      const turn = this.#limit(async () => {
        // From here on, an abort is answered by the store below.
        signal?.removeEventListener('abort', leave);
        signal?.throwIfAborted();
        return request();
      });
      turn.then(resolve, reject);
    });
  }
}
