/** Which operation meets which fault: by rule, or drawn from a seed. */
import { createHash } from 'node:crypto';
import { VERBS, type Verb } from '../../core/backend.ts';
import { type ErrorCode, PackvaultError, type RetryClass } from '../../core/errors.ts';

/**
 * What can go wrong. An error code: that is the answer, and nothing else happens. Further:
 *
 * - `lost-answer`: the operation takes effect, and its answer is lost: UNAVAILABLE, safe.
 * - `stall`: nothing happens until the caller aborts, or the store is disposed.
 * - `truncate`, `flip`: the body ends early, or one bit of it is another: of what a get returns, or of what a put stores.
 * - `stale-list`: the listing is as it was before the last changes that were made through this instance while a rule or a rate
 *   spoke of this fault.
 * - `duplicate-page`: a part of the listing comes twice.
 * - `delayed-delete`: the delete succeeds, and its objects are there until a few operations later.
 */
export type Fault =
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'UNAUTHENTICATED'
  | 'RATE_LIMITED'
  | 'UNAVAILABLE'
  | 'RANGE_INVALID'
  | 'OUT_OF_SPACE'
  | 'UNSUPPORTED'
  | 'lost-answer'
  | 'stall'
  | 'truncate'
  | 'flip'
  | 'stale-list'
  | 'duplicate-page'
  | 'delayed-delete';

/** The verbs that can meet a fault. */
const MET_BY: Readonly<Record<Fault, readonly Verb[]>> = {
  NOT_FOUND: ['get', 'stat'],
  ALREADY_EXISTS: ['put'],
  PERMISSION_DENIED: VERBS,
  UNAUTHENTICATED: VERBS,
  RATE_LIMITED: VERBS,
  UNAVAILABLE: VERBS,
  RANGE_INVALID: ['get'],
  OUT_OF_SPACE: ['put'],
  UNSUPPORTED: VERBS,
  'lost-answer': ['put', 'delete'],
  stall: VERBS,
  truncate: ['get', 'put'],
  flip: ['get', 'put'],
  'stale-list': ['list'],
  'duplicate-page': ['list'],
  'delayed-delete': ['delete'],
};

export const ALL_FAULTS: readonly Fault[] = Object.keys(MET_BY) as Fault[];

/** Operations that meet a fault. A rule counts those that match its verb and key. */
export interface FaultRule {
  readonly fault: Fault;
  /** Default: every verb that can meet the fault. */
  readonly verb?: Verb;
  /** The beginning of a key, or a pattern. Default: every key. Of a delete, any of its keys; of a listing, its prefix. */
  readonly key?: string | RegExp;
  /** Only the n-th of them, from 1. */
  readonly nth?: number;
  /**
   * The n-th of them and all after it: `{ fault: 'OUT_OF_SPACE', from: 10 }` is a disk that the tenth put finds full,
   * `{ fault: 'PERMISSION_DENIED', from: 10 }` a permission that is lost with the tenth operation.
   */
  readonly from?: number;
  /** Of an error code; default as in `PackvaultError`. */
  readonly retry?: RetryClass;
  /** Put into the error's context. */
  readonly retryAfterMs?: number;
}

/** An operation, as rules see it. */
export interface Operation {
  readonly verb: Verb;
  readonly keys: readonly string[];
}

/** A fault that an operation meets. */
export interface Meeting {
  readonly fault: Fault;
  readonly rule?: FaultRule;
  /** From 0 (included) to 1, for what is left to chance: where a body is cut, which bit flips. */
  readonly chance: number;
}

export interface ScheduleOptions {
  readonly seed: number;
  readonly rates: Partial<Readonly<Record<Fault, number>>>;
}

/**
 * Decides by the seed, the verb, the key, and how often this verb has met this key: so the same calls meet the same faults,
 * in whatever order those of different keys come.
 */
export class FaultSchedule {
  readonly #seed: number;
  #rates: readonly (readonly [Fault, number])[];
  #rules: { readonly rule: FaultRule; matched: number }[] = [];
  readonly #seen = new Map<string, number>();

  constructor({ seed, rates }: ScheduleOptions) {
    this.#seed = seed;
    this.#rates = ALL_FAULTS.flatMap((fault) => (rates[fault] === undefined ? [] : [[fault, rates[fault]] as const]));
  }

  /** INVALID_ARGUMENT if its verb cannot meet its fault. */
  add(rule: FaultRule): void {
    const { fault, verb } = rule;
    if (!(fault in MET_BY) || (verb !== undefined && !canMeet(verb, fault))) {
      throw new PackvaultError({ code: 'INVALID_ARGUMENT', message: `A ${verb ?? 'store'} cannot meet "${fault}".` });
    }
    this.#rules.push({ rule, matched: 0 });
  }

  clear(): void {
    this.#rules = [];
    this.#rates = [];
  }

  /** Whether a rule or a rate speaks of this fault. */
  has(fault: Fault): boolean {
    return this.#rules.some(({ rule }) => rule.fault === fault) || this.#rates.some(([rated]) => rated === fault);
  }

  /** What this operation meets: by the first rule that says so, else by chance. To be asked once for each operation. */
  next(operation: Operation): Meeting | undefined {
    const { verb, keys } = operation;
    const name = `${verb} ${keys[0] ?? ''}`;
    const occurrence = (this.#seen.get(name) ?? 0) + 1;
    this.#seen.set(name, occurrence);
    const chanceOf = (use: string): number => fraction(`${this.#seed} ${name} ${occurrence} ${use}`);
    let meeting: Meeting | undefined;
    for (const counted of this.#rules) {
      if (!matches(counted.rule, operation)) continue;
      counted.matched += 1;
      if (meeting === undefined && isDue(counted.rule, counted.matched)) {
        meeting = { fault: counted.rule.fault, rule: counted.rule, chance: chanceOf('where') };
      }
    }
    if (meeting !== undefined) return meeting;
    // By chance, a put's body is left whole: what a store damages after it was put, a get shows too.
    const drawn = this.#rates.find(
      ([fault, rate]) => canMeet(verb, fault) && !isDamage(verb, fault) && chanceOf(fault) < rate,
    );
    return drawn && { fault: drawn[0], chance: chanceOf('where') };
  }
}

/** Whether a fault is an error code. */
export function isErrorCode(fault: Fault): fault is Fault & ErrorCode {
  return fault === fault.toUpperCase();
}

function canMeet(verb: Verb, fault: Fault): boolean {
  return MET_BY[fault].includes(verb);
}

function isDamage(verb: Verb, fault: Fault): boolean {
  return verb === 'put' && (fault === 'truncate' || fault === 'flip');
}

function matches({ fault, verb, key }: FaultRule, operation: Operation): boolean {
  if (!canMeet(operation.verb, fault) || (verb !== undefined && verb !== operation.verb)) return false;
  if (key === undefined) return true;
  return operation.keys.some((own) => (typeof key === 'string' ? own.startsWith(key) : own.search(key) !== -1));
}

function isDue({ nth, from }: FaultRule, matched: number): boolean {
  if (nth !== undefined) return matched === nth;
  return matched >= (from ?? 1);
}

/** From 0 (included) to 1, the same for the same text. */
function fraction(text: string): number {
  const BYTES = 6;
  return createHash('sha256').update(text).digest().readUIntBE(0, BYTES) / 256 ** BYTES;
}
