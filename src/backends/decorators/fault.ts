/** Spoils what passes through it, by rule or by seed, and says what it did. */
import {
  type BackendCallOptions,
  type BackendCapabilities,
  checkDelete,
  type GetOptions,
  type ListOptions,
  type ObjectInfo,
  type PutOptions,
  type StorageBackend,
  type Verb,
} from '../../core/backend.ts';
import { PackvaultError } from '../../core/errors.ts';
import { type Fault, type FaultRule, FaultSchedule, isErrorCode, type Meeting } from './fault-schedule.ts';
import { StaleView } from './stale-view.ts';

export interface FaultOptions {
  /** Default 1. The same seed and the same calls give the same faults. */
  readonly seed?: number;
  readonly rules?: readonly FaultRule[];
  /** Chance of each fault, 0 to 1, for each operation that can meet it. Default: none. */
  readonly rates?: Partial<Readonly<Record<Fault, number>>>;
  /** How many operations later a delayed delete takes effect. Default 8. */
  readonly delay?: number;
  /** How many of the last changes a stale listing does not show. Default 8. */
  readonly staleness?: number;
}

/** A fault that was met. */
export interface FaultEvent {
  /** Number of the operation, from 1. */
  readonly operation: number;
  readonly verb: Verb;
  readonly key: string;
  readonly fault: Fault;
  /** What was done, in words. */
  readonly what: string;
}

/** A call: what it was, and what it meets. */
interface Met {
  readonly meeting: Meeting | undefined;
  readonly say: (what: string) => void;
}

/** A store in trouble. Without rules and rates it passes everything on as it is. */
export class FaultBackend implements StorageBackend {
  readonly #inner: StorageBackend;
  readonly #seed: number;
  readonly #delay: number;
  readonly #schedule: FaultSchedule;
  readonly #stale: StaleView;
  readonly #log: FaultEvent[] = [];
  readonly #disposal = new AbortController();
  #operations = 0;
  #deletions: { readonly due: number; readonly keys: Set<string> }[] = [];

  constructor(inner: StorageBackend, options: FaultOptions = {}) {
    const { seed = 1, rules = [], rates = {}, delay = 8, staleness = 8 } = options;
    this.#inner = inner;
    this.#seed = seed;
    this.#delay = delay;
    this.#schedule = new FaultSchedule({ seed, rates });
    for (const rule of rules) this.#schedule.add(rule);
    this.#stale = new StaleView(inner, staleness);
  }

  get location(): string {
    return this.#inner.location;
  }

  get capabilities(): BackendCapabilities {
    return this.#inner.capabilities;
  }

  /** Every fault that was met, in order. */
  get log(): readonly FaultEvent[] {
    return this.#log;
  }

  /** The log in words, with the seed: what a failed test should print. */
  explain(): string {
    const lines = this.#log.map(({ operation, verb, key, what }) => `#${operation} ${verb} ${key}: ${what}`);
    return [`seed ${this.#seed}, ${this.#operations} operations, ${lines.length} faults`, ...lines].join('\n');
  }

  /** One more rule; it counts from here. INVALID_ARGUMENT if its verb cannot meet its fault. */
  inject(rule: FaultRule): void {
    this.#schedule.add(rule);
  }

  /** No more faults: rules and rates are dropped, delayed deletes take effect. */
  async heal(): Promise<void> {
    this.#schedule.clear();
    await this.#deleteDue(Number.POSITIVE_INFINITY);
  }

  async put(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    const { meeting, say } = await this.#begin('put', [key], options.signal);
    const [stored, how] = damaged(body, meeting);
    if (how !== undefined) say(`stored ${how}`);
    // A checksum is of the body that the caller has.
    const passed = how === undefined ? options : { ...options, sha256: undefined };
    await this.#change([key], async () => this.#inner.put(key, stored, passed), meeting, say);
    for (const { keys } of this.#deletions) keys.delete(key);
  }

  async get(key: string, options?: GetOptions): Promise<Uint8Array> {
    const { meeting, say } = await this.#begin('get', [key], options?.signal);
    const [bytes, how] = damaged(await this.#inner.get(key, options), meeting);
    if (how !== undefined) say(`gave ${how}`);
    return bytes;
  }

  async stat(key: string, options?: BackendCallOptions): Promise<ObjectInfo> {
    await this.#begin('stat', [key], options?.signal);
    return this.#inner.stat(key, options);
  }

  async *list(prefix: string, options?: ListOptions): AsyncGenerator<ObjectInfo, void, undefined> {
    const { meeting, say } = await this.#begin('list', [prefix], options?.signal);
    if (meeting?.fault === 'stale-list') {
      const infos = await this.#stale.list(prefix, options);
      say(`left out the last changes, and listed ${infos.length} objects`);
      yield* infos;
    } else if (meeting?.fault === 'duplicate-page') {
      const infos: ObjectInfo[] = [];
      for await (const info of this.#inner.list(prefix, options)) infos.push(info);
      const from = Math.floor(meeting.chance * infos.length);
      say(`listed ${infos.length} objects, those from number ${from} on twice`);
      yield* infos;
      yield* infos.slice(from);
    } else yield* this.#inner.list(prefix, options);
  }

  async delete(keys: readonly string[], options?: BackendCallOptions): Promise<void> {
    const { meeting, say } = await this.#begin('delete', keys, options?.signal);
    if (meeting?.fault === 'delayed-delete') {
      checkDelete(keys, this.capabilities);
      say(`will be done ${this.#delay} operations later`);
      this.#deletions.push({ due: this.#operations + this.#delay, keys: new Set(keys) });
      return;
    }
    await this.#change(keys, async () => this.#inner.delete(keys, options), meeting, say);
  }

  /** Ends what is stalled; delayed deletes take effect. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposal.abort(injected('UNAVAILABLE', '', 'the store was disposed while it stalled'));
    await this.#deleteDue(Number.POSITIVE_INFINITY);
    await this.#inner[Symbol.asyncDispose]();
  }

  /** Numbers an operation and asks the schedule. Rejects, or stalls, if that is its fault. */
  async #begin(verb: Verb, keys: readonly string[], signal: AbortSignal | undefined): Promise<Met> {
    signal?.throwIfAborted();
    this.#operations += 1;
    const operation = this.#operations;
    const key = keys[0] ?? '';
    const meeting = this.#schedule.next({ verb, keys });
    const say = (what: string): void => {
      if (meeting !== undefined) this.#log.push({ operation, verb, key, fault: meeting.fault, what });
    };
    await this.#deleteDue(operation);
    if (meeting?.fault === 'stall') {
      say('stalled');
      await aborted(signal === undefined ? this.#disposal.signal : AbortSignal.any([signal, this.#disposal.signal]));
    }
    if (meeting !== undefined && isErrorCode(meeting.fault)) {
      say(`answered ${meeting.fault}, and did nothing`);
      throw injected(meeting.fault, key, 'the operation was not done', meeting.rule);
    }
    return { meeting, say };
  }

  /** Changes objects, so that a stale listing knows what was before; then loses the answer, if that is the fault. */
  async #change(
    keys: readonly string[],
    change: () => Promise<void>,
    meeting: Meeting | undefined,
    say: (what: string) => void,
  ): Promise<void> {
    const lost = meeting?.fault === 'lost-answer';
    let answer = 'success';
    try {
      await (this.#schedule.has('stale-list') ? this.#stale.remember(keys, change) : change());
    } catch (error) {
      if (!lost || !PackvaultError.is(error)) throw error;
      answer = error.code;
    }
    if (!lost) return;
    say(`was done, and its answer (${answer}) was lost`);
    throw injected('UNAVAILABLE', keys[0] ?? '', 'the operation was done and its answer lost');
  }

  async #deleteDue(now: number): Promise<void> {
    const due = this.#deletions.filter((deletion) => deletion.due <= now);
    this.#deletions = this.#deletions.filter((deletion) => deletion.due > now);
    for (const { keys } of due) await this.#inner.delete([...keys]);
  }
}

/** The body as the fault leaves it, and what was done to it in words. */
function damaged(body: Uint8Array, meeting: Meeting | undefined): readonly [Uint8Array, string?] {
  if (meeting === undefined || body.byteLength === 0) return [body];
  if (meeting.fault === 'truncate') {
    const size = Math.floor(meeting.chance * body.byteLength);
    return [body.slice(0, size), `the first ${size} of ${body.byteLength} bytes`];
  }
  if (meeting.fault !== 'flip') return [body];
  const bit = Math.floor(meeting.chance * body.byteLength * 8);
  const flipped = Uint8Array.from(body);
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return [flipped, `${body.byteLength} bytes with bit ${bit & 7} of byte ${bit >> 3} flipped`];
}

function injected(code: PackvaultError['code'], key: string, what: string, rule?: FaultRule): PackvaultError {
  return new PackvaultError({
    code,
    message: `Injected fault ${code}: ${what}.`,
    ...(rule?.retry !== undefined && { retry: rule.retry }),
    context: { key, ...(rule?.retryAfterMs !== undefined && { retryAfterMs: rule.retryAfterMs }) },
  });
}

/** Rejects with the signal's reason when it aborts. */
async function aborted(signal: AbortSignal): Promise<never> {
  return new Promise<never>((_, reject) => {
    const leave = (): void => reject(signal.reason);
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
  });
}
