// Medians, tables, and what machine it was.
import { spawnSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';

/** The middle value; of an even number the mean of the two in the middle. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Columns under their heads, as Markdown. */
export function table(head, rows) {
  const widths = head.map((title, column) => Math.max(3, title.length, ...rows.map((row) => row[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join('\n');
}

/** `354` for bytes of about 354 MiB. */
export function mebibytes(bytes) {
  return String(Math.round(bytes / 2 ** 20));
}

const git = (...args) => spawnSync('git', args, { encoding: 'utf8' }).stdout?.trim() ?? '';

/** What was measured where. The load is that of the last minute. */
export function machine() {
  return {
    date: new Date().toISOString(),
    commit: `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', 'src', 'native') === '' ? '' : ' and changes'}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.version,
    load: loadavg()[0],
  };
}

/** One line about the machine. */
export function machineLine({ date, commit, cpu, cores, memoryGiB, system, node, load }) {
  return `${date.slice(0, 16).replace('T', ' ')} UTC, commit ${commit}; ${cores} × ${cpu}, ${memoryGiB} GiB, ${system}, Node ${node}; load before ${load.toFixed(2)}`;
}
