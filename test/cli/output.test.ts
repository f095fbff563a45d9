import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  bytes as sized,
  columns,
  duration,
  elapsed,
  fields,
  fit,
  printable,
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

test('on a terminal there is progress on one line, in no colour, and it is gone at the end', async () => {
  const cli = await repository();
  const env = { NO_COLOR: '1' };
  writeFileSync(cli.path('file'), bytes(2, 30_000_000));
  const terminal = await onTerminal(cli, `${COMMAND} ingest file`, [], env);
  // The only sequence that is used clears the line.
  const shown = terminal.stdout.toString().replaceAll(`\r${ESCAPE}[K`, '\r(clear)');
  expect(shown).not.toContain(ESCAPE);
  expect(shown).toMatch(/\r\(clear\)ingesting {2}[\d.]+ [KM]?i?B of 28\.6 MiB {2}\d+ %/);
  expect(shown).toMatch(/\r\(clear\)Snapshot [0-9a-f]{32}/);
  for (const part of shown.split('\r'))
    expect(Array.from(part.split('\n')[0] ?? '').length).toBeLessThanOrEqual(80 + '(clear)'.length);
  const quiet = await onTerminal(cli, `${COMMAND} ingest file --quiet`, []);
  expect(quiet.stdout.toString()).not.toContain(ESCAPE);
  const dumb = await onTerminal(cli, `${COMMAND} ingest file`, [], { TERM: 'dumb' });
  expect(dumb.stdout.toString()).not.toContain(ESCAPE);
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
