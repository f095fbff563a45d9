/** Memory that is lent to the engine, and who gets how much of it. */
import { invalid } from './options.ts';

/** Bytes that an idle pool keeps. */
const KEEP = 64 << 20;

/** Blocks of finished calls, to be used again: touching new memory is slow. */
export class BlockPool {
  #free: Uint8Array[] = [];
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

  clear(): void {
    this.#free = [];
    this.#kept = 0;
  }
}

/** What a call takes memory for. `small`: records only. `write`: packs and their parity. */
export type Purpose = 'small' | 'restore' | 'verify' | 'write';

/** Bytes that a call must have at least, for repositories with packs and chunks of these sizes. */
export type Needs = Readonly<Record<Exclude<Purpose, 'small'>, number>>;

export interface Lease {
  /** What the call may hold. */
  readonly bytes: number;
  /** Gives it back. */
  leave(): void;
}

interface Waiting {
  readonly purpose: Purpose;
  readonly admit: (lease: Lease) => void;
}

/**
 * Shares the memory limit among calls. One that is admitted never waits for another one's memory, and:
 *
 * - small calls have a sixteenth of the limit to themselves, so that a listing never waits for a backup;
 * - a write has 7/16, and writes together leave what a restore needs, so that the source of an ingest may be a restore;
 * - reads together have at most half, so that readers who stall never keep a write out. The first has 5/16, enough for each pack of a
 *   cloud's size to be fetched once; each further one 5/8 of what is left, down to 1/64: four at once.
 */
export class Budget {
  readonly #limit: number;
  #needs: Needs = { restore: 0, verify: 0, write: 0 };
  readonly #used: Record<'small' | 'read' | 'write', number> = { small: 0, read: 0, write: 0 };
  readonly #queue: Waiting[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Says what the repository's shape asks for. */
  expect(needs: Needs): void {
    this.#needs = needs;
  }

  /** Throws INVALID_ARGUMENT if calls of this kind can't run within the limit. */
  check(purpose: Purpose): void {
    if (purpose === 'small') return;
    const least = Math.ceil(this.#needs[purpose] / shareOf(purpose));
    if (this.#limit >= least) return;
    throw invalid(
      `memoryLimit is ${this.#limit} bytes; with this repository's packs, parity and chunks it must be ${least} or more.`,
    );
  }

  /** Resolves when there is memory, which the caller gives back. Rejects with the signal's reason. */
  async enter(purpose: Purpose, signal: AbortSignal): Promise<Lease> {
    signal.throwIfAborted();
    this.check(purpose);
    return this.#lease(purpose) ?? (await this.#wait(purpose, signal));
  }

  #wait(purpose: Purpose, signal: AbortSignal): Promise<Lease> {
    return new Promise((resolve, reject) => {
      const entry: Waiting = {
        purpose,
        admit: (lease) => {
          signal.removeEventListener('abort', leave);
          resolve(lease);
        },
      };
      const leave = (): void => {
        this.#queue.splice(this.#queue.indexOf(entry), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#queue.push(entry);
    });
  }

  /** Memory for a call of this kind, if there is enough now. */
  #lease(purpose: Purpose): Lease | undefined {
    const bytes = this.#grant(purpose);
    if (bytes === undefined) return undefined;
    const kind = purpose === 'restore' || purpose === 'verify' ? 'read' : purpose;
    this.#used[kind] += bytes;
    const leave = (): void => {
      this.#used[kind] -= bytes;
      this.#advance();
    };
    return { bytes, leave };
  }

  #grant(purpose: Purpose): number | undefined {
    const { small, read, write } = this.#used;
    const part = (share: number): number => Math.floor(this.#limit * share);
    if (purpose === 'small') return small + part(1 / 256) <= part(1 / 16) ? part(1 / 256) : undefined;
    const all = part(15 / 16);
    const least = (kind: 'restore' | 'verify'): number => Math.max(part(1 / 64), this.#needs[kind]);
    if (purpose === 'write') {
      const bytes = part(shareOf('write'));
      const held = Math.max(read, least('restore'));
      return write + bytes + held <= all ? bytes : undefined;
    }
    const left = Math.min(part(shareOf(purpose)) - read, all - read - write);
    // Not all that is left, so that another one finds something, too.
    const bytes = Math.min(Math.max(Math.floor((left * 5) / 8), least(purpose)), left);
    return bytes >= least(purpose) ? bytes : undefined;
  }

  /** Whoever has waited longest goes first, unless there is not enough for that call yet but for a later one. */
  #advance(): void {
    for (const entry of this.#queue.slice()) {
      const lease = this.#lease(entry.purpose);
      if (lease === undefined) continue;
      this.#queue.splice(this.#queue.indexOf(entry), 1);
      entry.admit(lease);
    }
  }
}

/** The most of the limit that one write, or all reads together, may have. */
function shareOf(purpose: 'restore' | 'verify' | 'write'): number {
  return purpose === 'write' ? 7 / 16 : 1 / 2;
}
