/** Retention policies, and the calendars of time zones, in the engine's form. */
import { invalid } from './options.ts';
import type { PruneOptions, RetentionPolicy } from './types.ts';

const COUNTS = ['keepLast', 'keepHours', 'keepDays', 'keepWeeks', 'keepMonths', 'keepYears'] as const;

/** The engine's options of prune (with a policy) and forget (without). */
export function pruneRequest(policy: RetentionPolicy | undefined, options: PruneOptions): Record<string, unknown> {
  const { dryRun = false, maxUnused = 0.1, timeZone, soleMaintainer = false } = options;
  if (!(maxUnused >= 0 && maxUnused <= 1)) throw invalid('maxUnused must be from 0 to 1. Nothing was removed.');
  return {
    ...(policy !== undefined && { policy: checkPolicy(policy) }),
    ...(timeZone !== undefined && { zone: transitions(timeZone) }),
    dryRun,
    maxUnused,
    soleMaintainer,
  };
}

function checkPolicy(policy: RetentionPolicy): Record<string, unknown> {
  if (typeof policy !== 'object' || policy === null)
    throw invalid('A retention policy is an object. Nothing was removed.');
  const known = new Set<string>([...COUNTS, 'keepTags', 'groupBy']);
  for (const rule of Object.keys(policy)) {
    if (!known.has(rule)) throw invalid(`There is no retention rule ${JSON.stringify(rule)}. Nothing was removed.`);
  }
  const checked: Record<string, unknown> = {};
  for (const rule of COUNTS) {
    const count = policy[rule];
    if (count === undefined) continue;
    if (!Number.isSafeInteger(count) || count < 0) {
      throw invalid(`${rule} must be a whole number, 0 or more, not ${String(count)}. Nothing was removed.`);
    }
    checked[rule] = Math.min(count, 2 ** 32 - 1);
  }
  const { keepTags = [], groupBy = [] } = policy;
  if (!Array.isArray(keepTags) || !Array.isArray(groupBy))
    throw invalid('keepTags and groupBy are lists. Nothing was removed.');
  return { ...checked, keepTags, groupBy };
}

const HOUR_MS = 3_600_000;
const FROM = Date.UTC(1970, 0, 1);
const TO = Date.UTC(2100, 0, 1);
/** Zones change their offset at most a few times a year; two changes within this time would be missed. */
const STEP_MS = 7 * 24 * HOUR_MS;

/** When a zone's offset from UTC changes, 1970 to 2100: [from when, in milliseconds since 1970; offset in minutes]. */
function transitions(timeZone: string): [number, number][] {
  const offset = offsetOf(timeZone);
  const found: [number, number][] = [[FROM, offset(FROM)]];
  for (let at = FROM; at < TO; at += STEP_MS) {
    const [before, after] = [offset(at), offset(at + STEP_MS)];
    if (before !== after) found.push([change(offset, at, at + STEP_MS), after]);
  }
  return found;
}

/** The minute in which the offset changes. */
function change(offset: (ms: number) => number, from: number, to: number): number {
  let [low, high] = [from, to];
  const before = offset(low);
  while (high - low > 60_000) {
    const middle = low + Math.floor((high - low) / 120_000) * 60_000;
    if (offset(middle) === before) low = middle;
    else high = middle;
  }
  return high;
}

/** Minutes from UTC at a time, by the platform's time zone data. INVALID_ARGUMENT for an unknown zone. */
function offsetOf(timeZone: string): (ms: number) => number {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  } catch {
    throw invalid(
      `${JSON.stringify(timeZone)} is not a time zone: give an IANA name, such as Europe/Berlin. Nothing was removed.`,
    );
  }
  return (ms) => {
    const name = format.formatToParts(ms).find(({ type }) => type === 'timeZoneName')?.value ?? 'GMT';
    const [, sign = '+', hours = '0', minutes = '0'] = /GMT([+-])(\d{1,2}):?(\d{2})?/.exec(name) ?? [];
    return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
  };
}
