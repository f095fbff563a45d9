/** Advisory entries: operations longer than a minute show themselves to people. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Bridge } from './bridge.ts';

const FIRST_MS = 60_000;
const EVERY_MS = 300_000;
/** A store that does not answer must not hold up the end of a call. */
const PATIENCE_MS = 5_000;

/** Announces a verb after a minute and every five minutes, until its end. Failing to do so harms nothing. */
export class Presence {
  readonly #bridge: Bridge;
  readonly #entry: Record<string, unknown>;
  readonly #id: string = randomBytes(16).toString('hex');
  readonly #over = new AbortController();
  #timer: NodeJS.Timeout;
  #last: Promise<void> | undefined;
  #ending: Promise<void> | undefined;

  constructor(bridge: Bridge, verb: string) {
    this.#bridge = bridge;
    this.#entry = { id: this.#id, host: hostname(), pid: process.pid, verb, since: new Date().toISOString() };
    this.#timer = setTimeout(() => this.#announce(), FIRST_MS).unref();
  }

  /** Takes the entry back. */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#last === undefined) return;
    this.#over.abort();
    await this.#last;
    await this.#quietly('retract', { id: this.#id }, AbortSignal.timeout(PATIENCE_MS));
  }

  #announce(): void {
    this.#last = this.#quietly('announce', this.#entry, this.#over.signal);
    this.#timer = setTimeout(() => this.#announce(), EVERY_MS).unref();
  }

  async #quietly(verb: string, options: Record<string, unknown>, signal: AbortSignal): Promise<void> {
    try {
      await this.#bridge.call({ verb, options, purpose: 'small', signal });
    } catch {
      // Nothing rests on the entry; a stale one is shown as stale.
    }
  }
}
