/** What people read: sizes, tables, progress. */
import type { Progress } from '../index.ts';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Three digits and a unit: `1.50 GiB`, `15.0 GiB`, `150 GiB`. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

const pad = (value: number): string => String(value).padStart(2, '0');

/** `1:02:03` or `2:03`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** How long something took: `0.42 s`, or minutes. */
export function elapsed(seconds: number): string {
  return seconds < 60 ? `${seconds.toFixed(2)} s` : `${duration(seconds)} min`;
}

/** `1 item`, `2 items`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** `2026-11-25 07:59`, of an RFC 3339 time. */
export function minute(time: string): string {
  return time.slice(0, 16).replace('T', ' ');
}

// Control characters in names must not reach a terminal, nor what turns the direction of writing.
const CONTROL = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;

/** Text from outside, safe to print. `keep`: control characters that our own text has in it. */
export function printable(text: string, keep = ''): string {
  return text.replace(CONTROL, (character) => (keep.includes(character) ? character : '\ufffd'));
}

/** `text`, cut to a number of columns; the last one shows that something is missing. */
export function fit(text: string, width: number): string {
  const characters = Array.from(text);
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`;
}

/** Columns under their heads. A head that begins with a blank is of numbers, which end at one edge. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  width: number = Number.POSITIVE_INFINITY,
): string {
  const longest = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)));
  const cell = (text: string, i: number): string =>
    head[i]?.startsWith(' ') === true ? text.padStart(longest[i] ?? 0) : text.padEnd(longest[i] ?? 0);
  const line = (row: readonly string[]): string => fit(row.map(cell).join('  ').trimEnd(), width);
  return [line(head), line(longest.map((length) => '-'.repeat(length))), ...rows.map(line)].join('\n');
}

/** Names with their values, one a line. */
export function fields(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

/** How wide results may be: as wide as the terminal, or without bound where no terminal tells. */
export function columns(): number {
  return process.stdout.isTTY ? process.stdout.columns || Number.POSITIVE_INFINITY : Number.POSITIVE_INFINITY;
}

const RATE_AFTER_S = 1;

/** Progress on one line of standard error, on a terminal that can rewrite a line. */
export class ProgressLine {
  readonly #on: boolean;
  #shown = false;
  #phase = '';
  #since = 0;
  #from = 0;

  constructor(enabled: boolean) {
    this.#on = enabled && process.stderr.isTTY && process.env['TERM'] !== 'dumb';
  }

  show(progress: Progress): void {
    if (!this.#on) return;
    if (progress.phase !== this.#phase) {
      this.#phase = progress.phase;
      this.#since = Date.now();
      this.#from = progress.bytesDone;
    }
    const seconds = (Date.now() - this.#since) / 1000;
    const rate = seconds < RATE_AFTER_S ? 0 : (progress.bytesDone - this.#from) / seconds;
    this.#shown = true;
    process.stderr.write(`\r\u001b[K${fit(progressText(progress, rate), (process.stderr.columns || 80) - 1)}`);
  }

  clear(): void {
    if (this.#shown) process.stderr.write('\r\u001b[K');
    this.#shown = false;
  }
}

/** What the line says. `rate` in bytes a second, 0 while it is not known. */
export function progressText({ phase, bytesDone, bytesTotal = 0 }: Progress, rate: number): string {
  const parts = [`${phase}  ${bytes(bytesDone)}`];
  if (bytesTotal > 0) {
    const share = Math.min(1, bytesDone / bytesTotal);
    parts[0] += ` of ${bytes(bytesTotal)}`;
    parts.push(`${Math.floor(share * 100)} %`);
  }
  if (rate > 0) parts.push(`${bytes(rate)}/s`);
  if (rate > 0 && bytesTotal > bytesDone) parts.push(`${duration((bytesTotal - bytesDone) / rate)} left`);
  return parts.join('  ');
}
