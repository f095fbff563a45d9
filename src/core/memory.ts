/** Memory that is lent to the engine, and who gets how much of it. */

/** Bytes that an idle pool keeps. */
const KEEP = 64 << 20;

/** Blocks of finished calls, to be used again: touching new memory is slow. */
export class BlockPool {
  readonly #free: Uint8Array[] = [];
  #kept = 0;

  /** A block of exactly `size` bytes; contents are unspecified. */
  take(size: number): Uint8Array {
    const at = this.#free.findIndex((block) => block.byteLength === size);
    if (at < 0) return new Uint8Array(size);
    const [block] = this.#free.splice(at, 1);
    this.#kept -= size;
    return block ?? new Uint8Array(size);
  }

  /** Gives back a block that nobody uses any more. */
  give(block: Uint8Array): void {
    if (this.#kept + block.byteLength > KEEP) return;
    this.#free.push(block);
    this.#kept += block.byteLength;
  }
}

/** Shares the memory limit among calls, first come, first served. A call never waits for memory again once it is admitted. */
export class Admission {
  readonly #limit: number;
  #used = 0;
  readonly #queue: { readonly bytes: number; readonly admit: () => void }[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves when `bytes` are free; the result gives them back. Rejects with the signal's reason. */
  async enter(bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#queue.length > 0 || this.#used + bytes > this.#limit) await this.#wait(bytes, signal);
    else this.#used += bytes;
    return () => {
      this.#used -= bytes;
      this.#advance();
    };
  }

  #wait(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const entry = {
        bytes,
        admit: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      const leave = (): void => {
        this.#queue.splice(this.#queue.indexOf(entry), 1);
        reject(signal.reason as Error);
        this.#advance();
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#queue.push(entry);
    });
  }

  #advance(): void {
    for (
      let next = this.#queue[0];
      next !== undefined && this.#used + next.bytes <= this.#limit;
      next = this.#queue[0]
    ) {
      this.#queue.shift();
      this.#used += next.bytes;
      next.admit();
    }
  }
}
