/** Counts what a store is asked. Request budgets are asserted from it. */
import {
  type BackendCallOptions,
  type BackendCapabilities,
  type GetOptions,
  type ListOptions,
  type ObjectInfo,
  type PutOptions,
  type StorageBackend,
  VERBS,
  type Verb,
} from '../../core/backend.ts';
import { type ErrorCode, PackvaultError } from '../../core/errors.ts';

/** One request. What is not known before the answer is filled in when it comes. */
export interface RecordedRequest {
  readonly verb: Verb;
  /** The key, the prefix of a listing, or the first key of a delete. */
  readonly key: string;
  /** Of the body sent or received. */
  readonly bytes: number;
  /** Objects listed on this page, or named by this delete; else 1. */
  readonly objects: number;
  /** `failed`: with something else than a `PackvaultError`, such as the reason of an abort. */
  readonly outcome: 'pending' | 'ok' | 'failed' | ErrorCode;
}

export interface RecordedTotals {
  readonly requests: number;
  readonly bytes: number;
  /** Of the requests, those that were rejected. */
  readonly failed: number;
}

export interface RecordOptions {
  /** Objects on a page of a listing; each page counts as a request. Default 1,000, as the large stores have it. */
  readonly pageSize?: number;
}

type Entry = { -readonly [K in keyof RecordedRequest]: RecordedRequest[K] };

/** Passes everything on, and keeps a log of it. */
export class RecordBackend implements StorageBackend {
  readonly #inner: StorageBackend;
  readonly #pageSize: number;
  #log: Entry[] = [];

  constructor(inner: StorageBackend, options: RecordOptions = {}) {
    this.#inner = inner;
    this.#pageSize = options.pageSize ?? 1_000;
  }

  get location(): string {
    return this.#inner.location;
  }

  get capabilities(): BackendCapabilities {
    return this.#inner.capabilities;
  }

  /** Every request since the last `reset`, in the order in which they began. */
  get log(): readonly RecordedRequest[] {
    return this.#log;
  }

  /** The sums by verb since the last `reset`. */
  totals(): Record<Verb, RecordedTotals> {
    const sumOf = (verb: Verb): RecordedTotals => {
      const own = this.#log.filter((entry) => entry.verb === verb);
      const failed = own.filter(({ outcome }) => outcome !== 'ok' && outcome !== 'pending').length;
      return { requests: own.length, bytes: own.reduce((sum, { bytes }) => sum + bytes, 0), failed };
    };
    return Object.fromEntries(VERBS.map((verb) => [verb, sumOf(verb)])) as Record<Verb, RecordedTotals>;
  }

  /** Forgets what was recorded. What is pending is not recorded any more. */
  reset(): void {
    this.#log = [];
  }

  async put(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    const entry = this.#begin('put', key, 1, body.byteLength);
    return settle(entry, this.#inner.put(key, body, options));
  }

  async get(key: string, options?: GetOptions): Promise<Uint8Array> {
    const entry = this.#begin('get', key);
    const bytes = await settle(entry, this.#inner.get(key, options));
    entry.bytes = bytes.byteLength;
    return bytes;
  }

  async stat(key: string, options?: BackendCallOptions): Promise<ObjectInfo> {
    return settle(this.#begin('stat', key), this.#inner.stat(key, options));
  }

  async *list(prefix: string, options?: ListOptions): AsyncGenerator<ObjectInfo, void, undefined> {
    let page = this.#begin('list', prefix, 0);
    try {
      for await (const info of this.#inner.list(prefix, options)) {
        if (page.objects === this.#pageSize) {
          page.outcome = 'ok';
          page = this.#begin('list', prefix, 0);
        }
        page.objects += 1;
        yield info;
      }
    } catch (error) {
      page.outcome = outcomeOf(error);
      throw error;
    } finally {
      if (page.outcome === 'pending') page.outcome = 'ok';
    }
  }

  async delete(keys: readonly string[], options?: BackendCallOptions): Promise<void> {
    return settle(this.#begin('delete', keys[0] ?? '', keys.length), this.#inner.delete(keys, options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  #begin(verb: Verb, key: string, objects = 1, bytes = 0): Entry {
    const entry: Entry = { verb, key, bytes, objects, outcome: 'pending' };
    this.#log.push(entry);
    return entry;
  }
}

async function settle<T>(entry: Entry, answer: Promise<T>): Promise<T> {
  try {
    const value = await answer;
    entry.outcome = 'ok';
    return value;
  } catch (error) {
    entry.outcome = outcomeOf(error);
    throw error;
  }
}

function outcomeOf(error: unknown): ErrorCode | 'failed' {
  return PackvaultError.is(error) ? error.code : 'failed';
}
