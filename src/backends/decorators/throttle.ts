/** No more than so many bytes a second. */
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

export interface ThrottleOptions {
  /** Bytes of bodies a second, up. Default: no limit. */
  readonly uploadBytesPerSecond?: number;
  /** Bytes of bodies a second, down. Default: no limit. */
  readonly downloadBytesPerSecond?: number;
  /** A clock in milliseconds that never goes back. Default `performance.now`. */
  readonly now?: () => number;
  readonly sleep?: Sleep;
}

/**
 * Bodies go one after the other over a line of this speed, whose idle time is good for one second's bytes at most (a token
 * bucket). A put begins when the bodies before it are through; the bytes of a get are handed over when they are.
 */
export class ThrottleBackend implements StorageBackend {
  readonly #inner: StorageBackend;
  readonly #up: Line;
  readonly #down: Line;

  constructor(inner: StorageBackend, options: ThrottleOptions = {}) {
    const { now = () => performance.now(), sleep = sleepFor } = options;
    this.#inner = inner;
    this.#up = new Line(options.uploadBytesPerSecond ?? Number.POSITIVE_INFINITY, now, sleep);
    this.#down = new Line(options.downloadBytesPerSecond ?? Number.POSITIVE_INFINITY, now, sleep);
  }

  get location(): string {
    return this.#inner.location;
  }

  get capabilities(): BackendCapabilities {
    return this.#inner.capabilities;
  }

  async put(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    options.signal?.throwIfAborted();
    const { begin } = this.#up.reserve(body.byteLength);
    try {
      await this.#up.waitUntil(begin, options.signal);
    } catch (error) {
      this.#up.giveBack(body.byteLength);
      throw error;
    }
    await this.#inner.put(key, body, options);
  }

  async get(key: string, options?: GetOptions): Promise<Uint8Array> {
    options?.signal?.throwIfAborted();
    await this.#down.waitUntil(this.#down.reserve(0).begin, options?.signal);
    const bytes = await this.#inner.get(key, options);
    await this.#down.waitUntil(this.#down.reserve(bytes.byteLength).end, options?.signal);
    return bytes;
  }

  async stat(key: string, options?: BackendCallOptions): Promise<ObjectInfo> {
    return this.#inner.stat(key, options);
  }

  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo> {
    return this.#inner.list(prefix, options);
  }

  async delete(keys: readonly string[], options?: BackendCallOptions): Promise<void> {
    return this.#inner.delete(keys, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }
}

const SAVED_MS = 1_000;

/** One direction: until when it is taken, in milliseconds of its clock. */
class Line {
  readonly #bytesPerMs: number;
  readonly #now: () => number;
  readonly #sleep: Sleep;
  #takenUntil = Number.NEGATIVE_INFINITY;

  constructor(bytesPerSecond: number, now: () => number, sleep: Sleep) {
    if (!(bytesPerSecond > 0)) {
      throw new PackvaultError({
        code: 'INVALID_ARGUMENT',
        message: `A limit must be a number of bytes a second, more than 0, not ${bytesPerSecond}. The store was not asked.`,
      });
    }
    this.#bytesPerMs = bytesPerSecond / 1_000;
    this.#now = now;
    this.#sleep = sleep;
  }

  /** The next free stretch for so many bytes. */
  reserve(bytes: number): { readonly begin: number; readonly end: number } {
    const begin = Math.max(this.#takenUntil, this.#now() - SAVED_MS);
    this.#takenUntil = begin + bytes / this.#bytesPerMs;
    return { begin, end: this.#takenUntil };
  }

  /** Of a stretch that was reserved and not used. */
  giveBack(bytes: number): void {
    this.#takenUntil -= bytes / this.#bytesPerMs;
  }

  async waitUntil(time: number, signal: AbortSignal | undefined): Promise<void> {
    const ms = time - this.#now();
    if (ms > 0) await this.#sleep(ms, signal);
  }
}
