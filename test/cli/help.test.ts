import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Command } from '../../src/cli/options.ts';
import { Cli } from '../support/cli.ts';

const VERBS = [
  'init',
  'ingest',
  'restore',
  'snapshots',
  'verify',
  'repair',
  'reindex',
  'key',
  'stats',
  'status',
  'unlock',
  'try',
];
const COMMON = [
  '-r, --repo',
  '--cache',
  '--accept-rollback',
  '--json',
  '-q, --quiet',
  '--memory-limit',
  '--threads',
  '--concurrency',
  '-h, --help',
];
const PASSPHRASE = ['PACKVAULT_PASSWORD', 'PACKVAULT_PASSWORD_FILE', 'PACKVAULT_PASSWORD_COMMAND'];
const CODES = ['0', '1', '2', '3', '4', '5', '10', '11', '12', '130'];

function lines(text: Uint8Array): string[] {
  return Buffer.from(text)
    .toString()
    .split('\n')
    .map((line) => line.trim());
}

test('help of the whole names every verb, option of all, variable and exit code', async () => {
  const { stdout, stderr } = await new Cli().ok(['--help']);
  const all = lines(stdout);
  for (const word of [...VERBS, ...COMMON, ...PASSPHRASE, 'PACKVAULT_REPOSITORY', ...CODES]) {
    expect(
      all.filter((line) => line.startsWith(`${word} `)),
      word,
    ).toHaveLength(1);
  }
  expect(stderr).toBe('');
});

describe.each(VERBS)('packvault %s --help', (verb) => {
  test('names every option, variable and exit code, and ends with 0', async () => {
    const { stdout } = await new Cli().ok([verb, '--help']);
    const all = lines(stdout);
    const { command } = (await import(`../../src/cli/commands/${verb}.ts`)) as { command: Command };
    expect(all[0]).toBe(`Usage: packvault ${command.synopsis[0]}`);
    const own = Object.keys(command.options ?? {}).map((name) => `--${name}`);
    const ofRepository = new Set(['-r, --repo', '--cache', '--accept-rollback', ...PASSPHRASE]);
    const common = [...COMMON, ...PASSPHRASE].filter((word) => verb !== 'try' || !ofRepository.has(word));
    for (const word of [...own, ...common, ...CODES.map((code) => `${code} `)]) {
      const found = all.filter((line) => line.startsWith(`${word} `) || line.includes(`, ${word} `));
      expect(found, word).toHaveLength(1);
      // Each is explained.
      expect(found[0]).toMatch(/ {2}\S/);
    }
  });

  test('is what packvault help says of it, and needs neither repository nor passphrase', async () => {
    const cli = new Cli();
    const [one, two] = await Promise.all([
      cli.ok([verb, '-h']),
      cli.ok(['help', verb], { env: { PACKVAULT_REPOSITORY: '' } }),
    ]);
    expect(one.stdout.toString()).toBe(two.stdout.toString());
  });
});

test('without a verb, help is shown and the exit code is 2', async () => {
  const cli = new Cli();
  const [none, asked] = await Promise.all([cli.run([]), cli.ok(['--help'])]);
  expect(none.code).toBe(2);
  expect(none.stdout.toString()).toBe(asked.stdout.toString());
});

test('the version is the package’s', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const { stdout } = await new Cli().ok(['--version']);
  expect(stdout.toString()).toBe(`packvault ${version}\n`);
});
