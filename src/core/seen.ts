/** What this client has seen of a repository's deletion rounds: an older state of the store is known by it. */
import type { Engine } from './native.ts';

/** The newest checkpoint that was seen. */
interface SeenRound {
  /** 0: there was none. */
  readonly round: number;
  /** SHA-256 of its header, hex. */
  readonly hash: string;
}

/** Where that is kept from one opening to the next. Never throws: what can't be kept is not known next time. */
export interface SeenRounds {
  load(): Promise<SeenRound | undefined>;
  save(seen: SeenRound): Promise<void>;
}

/** Tells the engine before a call what other processes have seen since, and keeps after it what the engine has seen. */
export class Memory {
  readonly #rounds: SeenRounds;
  /** What the engine and the place where it is kept were last known to agree on. */
  #known = 'null';

  constructor(rounds: SeenRounds) {
    this.#rounds = rounds;
  }

  async before(engine: Engine): Promise<void> {
    const kept = await this.#rounds.load();
    if (kept === undefined) return;
    const text = JSON.stringify({ round: kept.round, hash: kept.hash });
    if (text === this.#known) return;
    this.#known = text;
    engine.expect(text);
  }

  async after(engine: Engine): Promise<void> {
    const text = engine.seen();
    if (text === this.#known) return;
    this.#known = text;
    const seen = JSON.parse(text) as SeenRound | null;
    if (seen !== null) await this.#rounds.save(seen);
  }
}
