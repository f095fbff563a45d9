/** Advisory entries: operations longer than a minute show themselves to people. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Bridge } from './bridge.ts';

const FIRST_MS = 60_000;
const EVERY_MS = 300_000;

/** Announces a verb after a minute and every five minutes, until its end. Failing to do so harms nothing. */
export class Presence {
  readonly #bridge: Bridge;
  readonly #entry: Record<string, unknown>;
  readonly #id: string = randomBytes(16).toString('hex');
  #timer: NodeJS.Timeout;
  #last: Promise<unknown> | undefined;

  constructor(bridge: Bridge, verb: string) {
    this.#bridge = bridge;
    this.#entry = { id: this.#id, host: hostname(), pid: process.pid, verb, since: new Date().toISOString() };
    this.#timer = setTimeout(() => this.#announce(), FIRST_MS).unref();
  }

  #announce(): void {
    this.#last = this.#quietly('announce', this.#entry);
    this.#timer = setTimeout(() => this.#announce(), EVERY_MS).unref();
  }

  async #quietly(verb: string, options: Record<string, unknown>): Promise<void> {
    try {
      await this.#bridge.call({ verb, options, purpose: 'small' });
    } catch {
      // Nothing rests on the entry; a stale one is shown as stale.
    }
  }

  async end(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#last === undefined) return;
    await this.#last;
    await this.#quietly('retract', { id: this.#id });
  }
}
