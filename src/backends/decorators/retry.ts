/** Tries again what may be tried again. */
import type {
  BackendCallOptions,
  BackendCapabilities,
  GetOptions,
  ListOptions,
  ObjectInfo,
  PutOptions,
  StorageBackend,
} from '../../core/backend.ts';
import { PackvaultError } from '../../core/errors.ts';
import { type Sleep, sleepFor } from './sleep.ts';

/** An attempt that failed and will be repeated. */
export interface RetryEvent {
  /** The key, the prefix of a listing, or the first key of a delete. */
  readonly key: string;
  /** Of the attempt that failed, from 1. */
  readonly attempt: number;
  readonly error: PackvaultError;
}

export interface RetryOptions {
  /** In all, the first one included. Default 10: with the other defaults about 23 seconds of waiting, at most 46. */
  readonly attempts?: number;
  /** The wait after attempt n is a random part of `min(capMs, baseMs × 2^(n-1))` milliseconds. Default 250. */
  readonly baseMs?: number;
  /** Default 10,000. */
  readonly capMs?: number;
  /** A store that asks for a longer pause than this, in milliseconds, is given up at once. Default 60,000. */
  readonly longestPauseMs?: number;
  readonly onRetry?: (event: RetryEvent) => void;
  readonly sleep?: Sleep;
  /** From 0 (included) to 1. Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Repeats a call that failed with an error classed `safe`: the whole call, a listing behind the last object that it gave. Waits
 * with full jitter, and as long as the store asked for (`context.retryAfterMs`). The error of the last attempt is classed
 * `exhausted`, with the error itself as cause.
 *
 * A create that is repeated may meet the object that its first attempt stored before the answer was lost. So after
 * ALREADY_EXISTS on a repetition the object is read back: if it has exactly these bytes, the create has succeeded.
 */
export class RetryBackend implements StorageBackend {
  readonly #inner: StorageBackend;
  readonly #options: Required<RetryOptions>;

  constructor(inner: StorageBackend, options: RetryOptions = {}) {
    this.#inner = inner;
    this.#options = {
      attempts: 10,
      baseMs: 250,
      capMs: 10_000,
      longestPauseMs: 60_000,
      onRetry: () => undefined,
      sleep: sleepFor,
      random: Math.random,
      ...options,
    };
  }

  get location(): string {
    return this.#inner.location;
  }

  get capabilities(): BackendCapabilities {
    return this.#inner.capabilities;
  }

  async put(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    const tries = new Tries(key, options.signal, this.#options);
    try {
      await tries.run(async () => this.#inner.put(key, body, options));
    } catch (error) {
      if (!tries.repeated || !PackvaultError.is(error) || error.code !== 'ALREADY_EXISTS') throw error;
      if (!(await this.#holds(key, body, options.signal))) throw error;
    }
  }

  async get(key: string, options?: GetOptions): Promise<Uint8Array> {
    return new Tries(key, options?.signal, this.#options).run(async () => this.#inner.get(key, options));
  }

  async stat(key: string, options?: BackendCallOptions): Promise<ObjectInfo> {
    return new Tries(key, options?.signal, this.#options).run(async () => this.#inner.stat(key, options));
  }

  async *list(prefix: string, options?: ListOptions): AsyncGenerator<ObjectInfo, void, undefined> {
    let startAfter = options?.startAfter;
    let tries = new Tries(prefix, options?.signal, this.#options);
    for (;;) {
      try {
        for await (const info of this.#inner.list(prefix, { ...options, startAfter })) {
          startAfter = info.key;
          tries = new Tries(prefix, options?.signal, this.#options);
          yield info;
        }
        return;
      } catch (error) {
        await tries.failed(error);
      }
    }
  }

  async delete(keys: readonly string[], options?: BackendCallOptions): Promise<void> {
    const tries = new Tries(keys[0] ?? '', options?.signal, this.#options);
    return tries.run(async () => this.#inner.delete(keys, options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  /** Whether the object has exactly these bytes. */
  async #holds(key: string, body: Uint8Array, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      const stored = await this.get(key, { maxBytes: body.byteLength, signal });
      return Buffer.compare(stored, body) === 0;
    } catch (error) {
      // A longer object, or one that somebody has deleted meanwhile, is not the one that this create stored.
      if (PackvaultError.is(error) && (error.code === 'RANGE_INVALID' || error.code === 'NOT_FOUND')) return false;
      throw error;
    }
  }
}

/** The attempts of one call. */
class Tries {
  readonly #key: string;
  readonly #signal: AbortSignal | undefined;
  readonly #options: Required<RetryOptions>;
  #attempt = 1;

  constructor(key: string, signal: AbortSignal | undefined, options: Required<RetryOptions>) {
    this.#key = key;
    this.#signal = signal;
    this.#options = options;
  }

  get repeated(): boolean {
    return this.#attempt > 1;
  }

  async run<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        await this.failed(error);
      }
    }
  }

  /** Resolves when the call may be repeated. Rejects with what the caller gets to see. */
  async failed(error: unknown): Promise<void> {
    if (!PackvaultError.is(error) || error.retry !== 'safe') throw error;
    this.#signal?.throwIfAborted();
    const { attempts, longestPauseMs, onRetry, sleep } = this.#options;
    const pauseMs = this.#pauseAfter(error);
    if (this.#attempt >= attempts || pauseMs > longestPauseMs) throw this.#exhausted(error);
    onRetry({ key: this.#key, attempt: this.#attempt, error });
    await sleep(pauseMs, this.#signal);
    this.#attempt += 1;
  }

  #pauseAfter(error: PackvaultError): number {
    const { baseMs, capMs, random } = this.#options;
    const asked = Number(error.context['retryAfterMs'] ?? 0);
    return Math.max(asked, random() * Math.min(capMs, baseMs * 2 ** (this.#attempt - 1)));
  }

  #exhausted(error: PackvaultError): PackvaultError {
    return new PackvaultError({
      code: error.code,
      retry: 'exhausted',
      message: `${error.message} (Given up after ${this.#attempt} attempts.)`,
      context: { ...error.context, attempts: this.#attempt },
      cause: error,
    });
  }
}
