import { spawnSync } from 'node:child_process';
import { createWriteStream, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  bytes as sized,
  columns,
  duration,
  elapsed,
  fields,
  fit,
  printable,
  progressText,
  ProgressLine,
  table,
} from '../../src/cli/render.ts';
import { Repository } from '../../src/index.ts';
import { Cli } from '../support/cli.ts';
import { COMMAND, onTerminal } from '../support/cli-terminal.ts';
import { bytes } from '../support/data.ts';

const ESCAPE = '\u001b';

async function repository(): Promise<Cli> {
  const cli = new Cli();
  await cli.ok(['init', '--no-encryption']);
  return cli;
}

test('off a terminal nothing but results is said, and no escape sequence', async () => {
  const cli = await repository();
  writeFileSync(cli.path('file'), bytes(1, 3_000_000));
  for (const args of [['ingest', 'file'], ['snapshots'], ['verify'], ['repair'], ['restore', 'latest', '-o', 'back']]) {
    const { stdout, stderr } = await cli.ok(args);
    expect(stderr, args.join(' ')).toBe('');
    expect(stdout.toString(), args.join(' ')).not.toContain(ESCAPE);
    expect(stdout.toString(), args.join(' ')).not.toContain('\r');
  }
});

/** Ingests a pipe on a terminal; the pipe does not end before the terminal has shown what is awaited. */
async function ingestOnTerminal(
  args: string,
  env: Readonly<Record<string, string>>,
  awaited: string | undefined,
): Promise<string> {
  const cli = await repository();
  spawnSync('mkfifo', [cli.path('pipe')]);
  const pipe = createWriteStream(cli.path('pipe'));
  pipe.write(bytes(2, 3_000_000));
  const end = (): void => void pipe.end();
  if (awaited === undefined) end();
  const answers = awaited === undefined ? [] : ([[awaited, end]] as const);
  const { stdout } = await onTerminal(cli, `cat pipe | ${COMMAND} ingest ${args}`, answers, env);
  return stdout.toString();
}

test('on a terminal there is progress on one line, in no colour, and it is gone at the end', async () => {
  const terminal = await ingestOnTerminal('', { NO_COLOR: '1' }, 'ingesting');
  // The only sequence that is used clears the line.
  const shown = terminal.replaceAll(`\r${ESCAPE}[K`, '\r(clear)');
  expect(shown).not.toContain(ESCAPE);
  expect(shown).toMatch(/\r\(clear\)ingesting {2}[\d.]+ [KM]?i?B/);
  expect(shown).toMatch(/\r\(clear\)Snapshot [0-9a-f]{32}/);
  for (const part of shown.split('\r')) {
    expect(Array.from(part.split('\n')[0] ?? '').length).toBeLessThanOrEqual(80 + '(clear)'.length);
  }
});

test('no progress is shown with --quiet, nor on a terminal that cannot rewrite a line', async () => {
  expect(await ingestOnTerminal('--quiet', {}, undefined)).not.toContain(ESCAPE);
  expect(await ingestOnTerminal('', { TERM: 'dumb' }, undefined)).not.toContain(ESCAPE);
});

test('progress tells phase, bytes, share, rate and how long it will take, as far as they are known', () => {
  const progress = { operation: 'ingest', phase: 'ingesting', objectsDone: 0, message: '' };
  const total = 100 << 20;
  expect(progressText({ ...progress, bytesDone: 5 << 20 }, 0)).toBe('ingesting  5.00 MiB');
  expect(progressText({ ...progress, bytesDone: 5 << 20 }, 1 << 20)).toBe('ingesting  5.00 MiB  1.00 MiB/s');
  expect(progressText({ ...progress, bytesDone: 25 << 20, bytesTotal: total }, 1 << 20)).toBe(
    'ingesting  25.0 MiB of 100 MiB  25 %  1.00 MiB/s  1:15 left',
  );
  expect(progressText({ ...progress, bytesDone: total + 1, bytesTotal: total }, 1 << 20)).toBe(
    'ingesting  100 MiB of 100 MiB  100 %  1.00 MiB/s',
  );
});

test('bytes are not thrown at a terminal, nor read from one', async () => {
  const cli = await repository();
  await cli.ok(['ingest'], { input: 'content' });
  const restored = await onTerminal(cli, `${COMMAND} restore latest`, []);
  expect(restored.stdout.toString()).toContain('The bytes would go to this terminal');
  expect(restored.code).toBe(2);
  const stored = await onTerminal(cli, `${COMMAND} ingest`, []);
  expect(stored.stdout.toString()).toContain('Standard input is this terminal');
  expect(stored.code).toBe(2);
});

test('names in a repository cannot write to the terminal', async () => {
  const cli = await repository();
  const name = `a${ESCAPE}[31mred\r\u202eb`;
  const made = await Repository.open(cli.repository);
  await made.ingest(Buffer.from('x'), { items: [{ name }], tags: { [name]: name } });
  await made.close();
  for (const args of [['snapshots'], ['restore', 'latest', '--to', 'out']]) {
    const { stdout } = await cli.ok(args);
    expect(stdout.toString()).toContain('a\ufffd[31mred\ufffd\ufffdb');
    for (const control of [ESCAPE, '\r', '\u202e']) expect(stdout.toString()).not.toContain(control);
  }
  const { stderr } = await cli.run(['restore', 'latest', '--item', name, '--to', 'out']);
  expect(stderr).toContain('is there already');
  for (const control of [ESCAPE, '\r', '\u202e']) expect(stderr).not.toContain(control);
});

test('sizes have three digits', () => {
  const sizes = [0, 1, 1023, 1024, 10_239, 10_240, 102_400, 1_048_575, 1 << 20, 5e9, 2 ** 50, 2 ** 60];
  expect(sizes.map((size) => sized(size))).toEqual([
    '0 B',
    '1 B',
    '1023 B',
    '1.00 KiB',
    '10.0 KiB',
    '10.0 KiB',
    '100 KiB',
    '1024 KiB',
    '1.00 MiB',
    '4.66 GiB',
    '1.00 PiB',
    '1024 PiB',
  ]);
  expect(sized(2.75)).toBe('3 B');
});

test('times are short', () => {
  expect([0, 59.6, 61, 3_600, 90_061].map((seconds) => duration(seconds))).toEqual([
    '0:00',
    '1:00',
    '1:01',
    '1:00:00',
    '25:01:01',
  ]);
  expect([0.004, 5, 59.99, 61].map((seconds) => elapsed(seconds))).toEqual(['0.00 s', '5.00 s', '59.99 s', '1:01 min']);
});

test('tables line up, numbers on the right, and end at the edge of the terminal', () => {
  const rows = [
    ['a', '1', 'x'],
    ['long', '1000', 'much text'],
  ];
  expect(table(['Name', ' Count', 'Text'], rows)).toBe(
    'Name   Count  Text\n----  ------  ---------\na          1  x\nlong    1000  much text',
  );
  expect(table(['Name', ' Count', 'Text'], rows, 18).split('\n')[3]).toBe('long    1000  muc…');
  expect(
    fields([
      ['A', '1'],
      ['Long', '2'],
    ]),
  ).toBe('A     1\nLong  2');
  expect(fit('🎉🎉🎉', 2)).toBe('🎉…');
  expect(printable('a\nb', '\n')).toBe('a\nb');
  expect(printable('a\nb')).toBe('a\ufffdb');
});

test('off a terminal the progress line writes nothing and tables are not cut', () => {
  const line = new ProgressLine(true);
  line.show({ operation: 'x', phase: 'x', bytesDone: 1, objectsDone: 0, message: '' });
  line.clear();
  expect(columns()).toBe(process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY);
});
