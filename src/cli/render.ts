/** What people read: sizes, tables, progress. */
import type { Progress } from '../index.ts';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `1.50 GiB`. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(2)} ${UNITS[unit]}`;
}

const pad = (value: number): string => String(value).padStart(2, '0');

/** `1:02:03` or `2:03`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

// Control characters in names must not reach a terminal, nor what turns the direction of writing.
const CONTROL = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;

/** Text from a repository, safe to print. */
export function printable(text: string): string {
  return text.replace(CONTROL, '\ufffd');
}

/** Columns under their heads; the last one is not padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  ');
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}

/** Progress on one line of standard error, on a terminal only. */
export class ProgressLine {
  readonly #on: boolean;
  readonly #start = Date.now();

  constructor(enabled: boolean) {
    this.#on = enabled && process.stderr.isTTY;
  }

  show(progress: Progress): void {
    if (!this.#on) return;
    const seconds = (Date.now() - this.#start) / 1000;
    const rate = seconds > 0 ? progress.bytesDone / seconds : 0;
    const parts = [progress.phase, bytes(progress.bytesDone)];
    if (progress.bytesTotal !== undefined) {
      parts.push(
        `of ${bytes(progress.bytesTotal)} (${Math.floor((progress.bytesDone / progress.bytesTotal) * 100)} %)`,
      );
      if (rate > 0) parts.push(`${duration((progress.bytesTotal - progress.bytesDone) / rate)} left`);
    }
    parts.push(`${bytes(rate)}/s`);
    process.stderr.write(`\r\u001b[K${parts.join('  ').slice(0, (process.stderr.columns ?? 80) - 1)}`);
  }

  clear(): void {
    if (this.#on) process.stderr.write('\r\u001b[K');
  }
}
