/** Byte sources into lent blocks, and lent blocks into a Readable. */
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { isUint8Array } from 'node:util/types';
import { PackvaultError } from './errors.ts';
import { onAbort } from './signals.ts';
import { FileReader, isFileHandle } from './sources/file.ts';
import type { ByteSource } from './types.ts';

/** Reads one item. Calls never overlap. */
export interface ItemReader {
  /** Fills `block` from its start and returns how many bytes; fewer than fit only at the end, then 0. */
  read(block: Uint8Array): Promise<number>;
  /** Lets go of the source: streams are destroyed, iterators are told to return. Never throws. */
  release(): void;
}

/** What an item's bytes are pulled from. */
interface Tap {
  next(): Promise<IteratorResult<unknown>> | IteratorResult<unknown>;
  stop(): unknown;
}

/** A reader of any source, which is not touched before the first read. INVALID_ARGUMENT for what is none. */
export function openSource(source: ByteSource, name: string): ItemReader {
  const given: unknown = source;
  if (isUint8Array(given)) return new TapReader(() => iteratorTap([given][Symbol.iterator]()), name);
  if (isFileHandle(given)) return new FileReader(given);
  if (isReadable(given)) return readableReader(given, name);
  if (typeof given === 'object' && given !== null) {
    if ('getReader' in given) return webReader(given as ReadableStream<Uint8Array>, name);
    if (Symbol.asyncIterator in given) {
      return new TapReader(() => iteratorTap((given as AsyncIterable<unknown>)[Symbol.asyncIterator]()), name);
    }
    if (Symbol.iterator in given) {
      return new TapReader(() => iteratorTap((given as Iterable<unknown>)[Symbol.iterator]()), name);
    }
  }
  throw bad(name, 'is not bytes: give a Uint8Array, a stream, a FileHandle or an iterable of Uint8Array');
}

function bad(name: string, what: string): PackvaultError {
  const shown = JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
  return new PackvaultError({
    code: 'INVALID_ARGUMENT',
    message: `The source of item ${shown} ${what}. No snapshot was made.`,
  });
}

/** Streams of Node, and of the packages that stand in for them. */
function isReadable(given: unknown): given is Readable {
  return (
    typeof given === 'object' && given !== null && 'pipe' in given && 'on' in given && Symbol.asyncIterator in given
  );
}

function iteratorTap(iterator: Iterator<unknown> | AsyncIterator<unknown>): Tap {
  return { next: () => iterator.next(), stop: () => iterator.return?.() };
}

/** INVALID_ARGUMENT for a stream that was read to its end before: a retry with it would store nothing and call it a backup. */
function readableReader(stream: Readable, name: string): ItemReader {
  if (stream.readableEnded) throw bad(name, 'was read to its end before: make a new stream');
  // A stream may fail before its turn comes (a file that is not there). Without a listener that would end the process;
  // the first read meets the same error.
  stream.on('error', () => undefined);
  const open = (): Tap => {
    const iterator = stream[Symbol.asyncIterator]();
    return { next: () => iterator.next(), stop: () => undefined };
  };
  return new TapReader(open, name, () => stream.destroy());
}

function webReader(stream: ReadableStream<Uint8Array>, name: string): ItemReader {
  const open = (): Tap => {
    const reader = stream.getReader();
    return { next: async () => (await reader.read()) as IteratorResult<unknown>, stop: () => reader.cancel() };
  };
  return new TapReader(open, name, () => (stream.locked ? undefined : stream.cancel()));
}

/** Copies what a tap gives into blocks. */
class TapReader implements ItemReader {
  readonly #open: () => Tap;
  readonly #name: string;
  readonly #release: () => unknown;
  #tap: Tap | undefined;
  #rest: Uint8Array = new Uint8Array(0);
  #ended = false;
  #released = false;

  /** `release` is done in the end, whether the tap was opened or not. */
  constructor(open: () => Tap, name: string, release: () => unknown = () => undefined) {
    this.#open = open;
    this.#name = name;
    this.#release = release;
  }

  async read(block: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < block.byteLength) {
      if (this.#rest.byteLength === 0 && !(await this.#pull())) break;
      const part = this.#rest.subarray(0, block.byteLength - filled);
      block.set(part, filled);
      filled += part.byteLength;
      this.#rest = this.#rest.subarray(part.byteLength);
    }
    return filled;
  }

  async #pull(): Promise<boolean> {
    if (this.#ended || this.#released) return false;
    this.#tap ??= this.#open();
    const next = await this.#tap.next();
    if (next.done === true) {
      this.#ended = true;
      return false;
    }
    if (!isUint8Array(next.value)) {
      const hint = typeof next.value === 'string' ? ': take the encoding off the stream' : '';
      throw bad(this.#name, `gave ${typeof next.value} instead of Uint8Array${hint}`);
    }
    this.#rest = next.value;
    return true;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    const stop = this.#ended ? undefined : this.#tap?.stop.bind(this.#tap);
    // A source that hangs or fails while it is let go must not hold up the call.
    for (const step of [stop, this.#release]) void (async () => step?.())().catch(() => undefined);
  }
}

/** Gives `bytes` to a stream; the block is the engine's again when it resolves. It does not wait for the reader after an abort. */
export type Accept = (bytes: Uint8Array, signal: AbortSignal) => Promise<void>;

/**
 * A Readable of restored bytes, with backpressure. The restore begins with the first read: what nobody reads holds no memory. It is
 * closed when the restore has given its memory back.
 */
export class RestoreStream extends Readable {
  readonly #run: (accept: Accept, signal: AbortSignal) => Promise<unknown>;
  readonly #stop = new AbortController();
  readonly #unfollow: () => void;
  #state: 'waiting' | 'running' | 'ended' = 'waiting';
  #whenEnded: (() => void) | undefined;
  #more: (() => void) | undefined;

  /** `run` restores. The stream is destroyed with the reason of `signal` when that aborts. */
  constructor(run: (accept: Accept, signal: AbortSignal) => Promise<unknown>, signal: AbortSignal | undefined) {
    super({ highWaterMark: 4 << 20 });
    this.#run = run;
    this.#unfollow = onAbort(signal, () => this.destroy(signal?.reason as Error));
  }

  readonly #accept: Accept = (bytes, signal) => {
    if (signal.aborted || this.destroyed || this.push(Buffer.from(bytes))) return Promise.resolve();
    return new Promise((resolve) => {
      this.#more = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  };

  override _read(): void {
    if (this.#state === 'waiting') void this.#start();
    this.#more?.();
    this.#more = undefined;
  }

  async #start(): Promise<void> {
    this.#state = 'running';
    try {
      await this.#run(this.#accept, this.#stop.signal);
      this.push(null);
    } catch (error) {
      this.destroy(error as Error);
    }
    this.#state = 'ended';
    this.#whenEnded?.();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#unfollow();
    this.#stop.abort(new PackvaultError({ code: 'CLOSED', message: 'The reader stopped.' }));
    this.#more?.();
    if (this.#state === 'running') this.#whenEnded = () => callback(error);
    else callback(error);
  }
}
