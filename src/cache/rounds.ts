/** The newest deletion round that this client has seen of a repository in one place. */
import { createHash } from 'node:crypto';
import type { CacheStore } from './store.ts';

/** The newest checkpoint that was seen: its round, 0 if there was none, and SHA-256 of its header, hex. */
interface SeenRound {
  readonly round: number;
  readonly hash: string;
}

const NAME = /^(\d{16})-([0-9a-f]{64})$/;

/**
 * Kept as the name of an empty file, so that processes that save at the same moment can't harm each other: each adds its own and
 * removes lower ones, and the greatest counts. Two of the same number tell nothing and count as none.
 */
export class RoundPin {
  readonly #store: CacheStore;
  readonly #folder: string;
  /** What is kept does not count, and goes with the next save. */
  #accept: boolean;

  /** A copy of a repository in another place, or promoted to another epoch, has a history of its own. */
  constructor(store: CacheStore, place: { readonly location: string; readonly epoch: number }, accept: boolean) {
    const name = createHash('sha256').update(`${place.epoch}\n${place.location}`).digest('hex').slice(0, 32);
    this.#store = store;
    this.#folder = `seen/${name}/`;
    this.#accept = accept;
  }

  async load(): Promise<SeenRound | undefined> {
    if (this.#accept) return undefined;
    const [first, second] = (await this.#all()).toSorted((left, right) => right.round - left.round);
    return first?.round === second?.round ? undefined : first;
  }

  async save({ round, hash }: SeenRound): Promise<void> {
    const name = nameOf({ round, hash });
    const others = (await this.#all()).filter((one) => nameOf(one) !== name && (this.#accept || one.round < round));
    // Before the new one is there: a process that is killed between the two has seen nothing, which refuses nothing.
    if (this.#accept) await this.#remove(others);
    await this.#store.put(this.#folder + name, new Uint8Array());
    if (!this.#accept) await this.#remove(others);
    this.#accept = false;
  }

  async #all(): Promise<SeenRound[]> {
    const found: SeenRound[] = [];
    for (const key of await this.#store.keys(this.#folder)) {
      const [, round, hash] = NAME.exec(key.slice(this.#folder.length)) ?? [];
      if (hash !== undefined && Number.isSafeInteger(Number(round))) found.push({ round: Number(round), hash });
    }
    return found;
  }

  #remove(seen: readonly SeenRound[]): Promise<void> {
    return this.#store.delete(seen.map((one) => this.#folder + nameOf(one)));
  }
}

function nameOf({ round, hash }: SeenRound): string {
  return `${String(round).padStart(16, '0')}-${hash}`;
}
