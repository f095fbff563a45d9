/** Byte sources into lent blocks, and lent blocks into a Readable. */
import { Readable } from 'node:stream';
import { PackvaultError } from './errors.ts';
import { FileReader, isFileHandle } from './sources/file.ts';
import type { ByteSource } from './types.ts';

/** Reads one item. Calls never overlap. */
export interface ItemReader {
  /** Fills `block` from its start and returns how many bytes; fewer than fit only at the end, then 0. */
  read(block: Uint8Array): Promise<number>;
  /** Lets go of the source; never throws. */
  release(): void;
}

/** A reader of any source. INVALID_ARGUMENT for what is none. */
export function openSource(source: ByteSource, name: string): ItemReader {
  if (source instanceof Uint8Array) return new IteratorReader([source][Symbol.iterator](), name);
  if (isFileHandle(source)) return new FileReader(source);
  if (typeof source === 'object' && source !== null) {
    if (Symbol.asyncIterator in source) return new IteratorReader(source[Symbol.asyncIterator](), name);
    if (Symbol.iterator in source) return new IteratorReader(source[Symbol.iterator](), name);
  }
  throw new PackvaultError({
    code: 'INVALID_ARGUMENT',
    message: `The source of item ${JSON.stringify(name)} is not bytes: give a Uint8Array, a stream, a FileHandle or an iterable of Uint8Array.`,
  });
}

class IteratorReader implements ItemReader {
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>;
  readonly #name: string;
  #rest: Uint8Array = new Uint8Array(0);
  #ended = false;

  constructor(iterator: Iterator<unknown> | AsyncIterator<unknown>, name: string) {
    this.#iterator = iterator;
    this.#name = name;
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
    if (this.#ended) return false;
    const next = await this.#iterator.next();
    if (next.done === true) {
      this.#ended = true;
      return false;
    }
    if (!(next.value instanceof Uint8Array)) {
      throw new PackvaultError({
        code: 'INVALID_ARGUMENT',
        message: `The source of item ${JSON.stringify(this.#name)} gave ${typeof next.value} instead of Uint8Array. No snapshot was made.`,
      });
    }
    this.#rest = next.value;
    return true;
  }

  release(): void {
    if (this.#ended) return;
    this.#ended = true;
    // A source that hangs or fails while it is let go must not hold up the call.
    void (async () => this.#iterator.return?.())().catch(() => undefined);
  }
}

/** A Readable that takes blocks with backpressure: `accept` resolves when more may come. */
export class RestoreStream extends Readable {
  #more: (() => void) | undefined;
  readonly #cancel: () => void;

  /** `cancel` is called when the consumer stops before the end. */
  constructor(cancel: () => void) {
    super({ highWaterMark: 4 << 20 });
    this.#cancel = cancel;
  }

  /** Copies `bytes`: the block is the engine's again when this resolves. */
  accept(bytes: Uint8Array): Promise<void> {
    if (this.push(Buffer.from(bytes))) return Promise.resolve();
    return new Promise((resolve) => {
      this.#more = resolve;
    });
  }

  override _read(): void {
    this.#more?.();
    this.#more = undefined;
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#cancel();
    this.#more?.();
    callback(error);
  }
}
