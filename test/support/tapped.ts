/** A store around another one whose calls a test can watch, hold up, change and refuse. */
import type {
  BackendCapabilities,
  GetOptions,
  ListOptions,
  ObjectInfo,
  PutOptions,
  StorageBackend,
} from '../../src/index.ts';

/** One call that reached the store. */
export interface StoreCall {
  readonly verb: 'put' | 'get' | 'stat' | 'list' | 'delete';
  /** The key, the prefix of a list, the first key of a delete. */
  readonly key: string;
  readonly signal: AbortSignal | undefined;
  /** What a put stores. */
  readonly body?: Uint8Array;
  /** The range that a get asks for, if any. */
  readonly range?: { readonly offset: number; readonly length: number };
}

/** Stands in for a call. `next` performs it on the store beneath. What it returns is returned. */
export type Tap = (call: StoreCall, next: () => Promise<unknown>) => unknown;

export class TappedBackend implements StorageBackend {
  readonly #inner: StorageBackend;
  /** May be replaced at any time. */
  tap: Tap;
  /** Everything that was asked. */
  readonly calls: StoreCall[] = [];

  constructor(inner: StorageBackend, tap: Tap = (_call, next) => next()) {
    this.#inner = inner;
    this.tap = tap;
  }

  get location(): string {
    return this.#inner.location;
  }

  get capabilities(): BackendCapabilities {
    return this.#inner.capabilities;
  }

  async put(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    await this.#pass({ verb: 'put', key, body, signal: options.signal }, () => this.#inner.put(key, body, options));
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array> {
    const { offset = 0, length, signal } = options;
    const range = length === undefined ? {} : { range: { offset, length } };
    const got = await this.#pass({ verb: 'get', key, signal, ...range }, () => this.#inner.get(key, options));
    return got as Uint8Array;
  }

  async stat(key: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<ObjectInfo> {
    const got = await this.#pass({ verb: 'stat', key, signal: options.signal }, () => this.#inner.stat(key, options));
    return got as ObjectInfo;
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo, void, undefined> {
    const all = async (): Promise<ObjectInfo[]> => {
      const objects: ObjectInfo[] = [];
      for await (const object of this.#inner.list(prefix, options)) objects.push(object);
      return objects;
    };
    yield* (await this.#pass({ verb: 'list', key: prefix, signal: options.signal }, all)) as ObjectInfo[];
  }

  async delete(keys: readonly string[], options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const call = { verb: 'delete', key: keys[0] ?? '', signal: options.signal } as const;
    await this.#pass(call, () => this.#inner.delete(keys, options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  async #pass(call: StoreCall, next: () => Promise<unknown>): Promise<unknown> {
    this.calls.push(call);
    return this.tap(call, next);
  }
}

/** A promise and its other end. */
export interface Gate<T = void> {
  readonly opened: Promise<T>;
  open(value: T): void;
}

export function gate<T = void>(): Gate<T> {
  const { promise: opened, resolve: open } = withResolvers<T>();
  return { opened, open };
}

/** Promise.withResolvers, which Node 20 hasn't got. */
function withResolvers<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  const ends: { resolve?: (value: T) => void } = {};
  const promise = new Promise<T>((resolve) => Object.assign(ends, { resolve }));
  return { promise, resolve: (value) => ends.resolve?.(value) };
}

/** Settles when `signal` aborts, with its reason: what a store does that listens. */
export function whenAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal?.aborted === true) reject(signal.reason as Error);
    signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
