/** Several sessions with one server, opened when they are needed. */
import { setTimeout as wait } from 'node:timers/promises';
import { PackvaultError } from '../../core/errors.ts';
import type { Session } from './session.ts';

/** A session, or one that is being opened. */
interface Line {
  readonly session: Promise<Session>;
  /** Large objects that are on their way through it. */
  bulk: number;
}

// What was begun and then aborted cleans up in this time when the pool closes.
const GRACE_MS = 1_000;

export class Pool {
  readonly #open: (signal: AbortSignal) => Promise<Session>;
  readonly #max: number;
  #limit: number;
  #lines: Line[] = [];
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(open: (signal: AbortSignal) => Promise<Session>, max: number) {
    this.#open = open;
    this.#max = max;
    this.#limit = max;
  }

  /**
   * Does `work` on a session; a lost one is replaced first. With `bulk` it shares a session with other large objects only if no
   * further one can be had. CLOSED after `close`.
   */
  async use<T>(bulk: boolean, work: (session: Session) => Promise<T>): Promise<T> {
    const running = this.#use(bulk, work);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Ends all sessions, after a moment for what is running. Can be repeated. */
  async close(): Promise<void> {
    this.#closing.abort(closed());
    const grace = new AbortController();
    const patience = wait(GRACE_MS, undefined, { signal: grace.signal }).catch(() => undefined);
    await Promise.race([Promise.allSettled(this.#running), patience]);
    grace.abort();
    await Promise.allSettled(this.#lines.map(async (line) => (await line.session).end(closed())));
  }

  async #use<T>(bulk: boolean, work: (session: Session) => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) throw closed();
    const line = this.#choose(bulk);
    const share = bulk ? 1 : 0;
    line.bulk += share;
    try {
      return await work(await this.#sessionOf(line));
    } finally {
      line.bulk -= share;
    }
  }

  #choose(bulk: boolean): Line {
    const [first, ...others] = this.#lines;
    if (first === undefined) return this.#add();
    const idlest = others.reduce((best, line) => (line.bulk < best.bulk ? line : best), first);
    return bulk && idlest.bulk > 0 && this.#lines.length < this.#limit ? this.#add() : idlest;
  }

  /** The session of this line; if it can't be opened, that of another one. */
  async #sessionOf(line: Line): Promise<Session> {
    try {
      return await line.session;
    } catch (error) {
      const others = this.#lines.filter((other) => other !== line).map(({ session }) => session);
      const other = await Promise.any(others).catch(() => undefined);
      if (other === undefined) throw error;
      // The server takes no more: many allow a user only so many. Forgotten when all connections are lost.
      this.#limit = Math.max(this.#lines.length, 1);
      return other;
    }
  }

  #add(): Line {
    const line: Line = { session: this.#open(this.#closing.signal), bulk: 0 };
    this.#lines.push(line);
    const remove = (): void => {
      this.#lines = this.#lines.filter((other) => other !== line);
      if (this.#lines.length === 0) this.#limit = this.#max;
    };
    const watch = async (): Promise<void> => {
      try {
        (await line.session).onLost(remove);
      } catch {
        remove();
      }
    };
    void watch();
    return line;
  }
}

function closed(): PackvaultError {
  return new PackvaultError({
    code: 'CLOSED',
    message: 'This SFTP store was closed while or before the call ran. No part of an object is visible.',
  });
}
