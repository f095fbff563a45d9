import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Cli, only } from '../support/cli.ts';

/** Mistakes in a command line, and what the message must name. */
const MISTAKES: readonly (readonly [args: string[], says: string])[] = [
  [['frobnicate'], 'There is no command "frobnicate"'],
  [['backup', 'file'], 'packvault calls it ingest'],
  [['check'], 'packvault calls it verify'],
  [['help', 'frobnicate'], 'There is no command "frobnicate"'],
  [['snapshots', '--frob'], "Unknown option '--frob'"],
  [['snapshots', '-x'], "Unknown option '-x'"],
  [['init', '--pack-size'], '--pack-size'],
  [['init', '--json=yes'], '--json'],
  [['init', 'somewhere'], 'does not take "somewhere"'],
  [['verify', 'latest'], 'does not take "latest"'],
  [['restore', 'latest', 'file'], 'does not take "file"'],
  [['restore'], 'Which snapshot?'],
  [['restore', 'latest', '-o', 'a', '--to', 'b'], 'not both'],
  [['restore', 'not-hex'], '"not-hex"'],
  [['ingest', '--tag', 'novalue'], '--tag takes NAME=VALUE'],
  [['ingest', '--name', 'x', 'file', 'file'], '--name names one item'],
  [['ingest', 'file', 'file'], 'Two items have the name "file"'],
  [['ingest', 'folder'], 'tar -C folder -cf - . | packvault ingest --name folder.tar'],
  [['init', '--threads', 'many'], '--threads takes a whole number'],
  [['init', '--threads', '0'], 'threads must be'],
  [['init', '--memory-limit', '1'], 'memoryLimit'],
  [['init', '--concurrency', '-1'], '--concurrency'],
  [['init', '--compression', 'rar'], '--compression takes zstd, gzip or none'],
  [['init', '--compression', 'none:3'], '--compression takes CODEC:LEVEL'],
  [['init', '--compression', 'zstd:99'], 'compression.level'],
  [['init', '--parity', '17'], '--parity takes DATA,PARITY'],
  [['init', '--parity', '17,99'], 'parity.parity'],
  [['init', '--chunk-id', 'md5'], 'chunkId'],
  [['verify', '--level', 'deep'], "'quick', 'standard' or 'full'"],
  [['verify', '--sample', '2'], '--sample takes a number from 0 to 1'],
  [['verify', '--sample', 'some'], '--sample takes a number from 0 to 1'],
  [['snapshots', '--after', 'yesterday'], 'yesterday'],
  [['key'], 'key list'],
  [['key', 'remove'], 'key remove ID'],
  [['key', 'rotate'], 'key add'],
];

test('a mistake in the command line ends with 2, says what is wrong, and is a record with --json', async () => {
  const cli = new Cli();
  writeFileSync(cli.path('file'), 'content');
  mkdirSync(cli.path('folder'));
  await cli.ok(['init', '--no-encryption']);
  for (const [args, says] of MISTAKES) {
    const own = args[0] === 'init' ? ['--no-encryption', '--repo', cli.path('another')] : [];
    const { code, stderr, records } = await cli.json([...args, ...own]);
    const told = `packvault ${args.join(' ')}: ${stderr}`;
    expect(code, told).toBe(2);
    expect(only(records, 'error'), told).toMatchObject({ code: 'INVALID_ARGUMENT', exitCode: 2 });
    expect(only(records, 'error')['message'], told).toContain(says);
  }
  expect(existsSync(cli.path('another'))).toBe(false);
});

test('what is wrong is one line for people, on standard error, with the way to help', async () => {
  const { stdout, stderr } = await new Cli().run(['snapshots', '--frob', '--json=no']);
  expect(stderr).toBe("packvault: Unknown option '--frob'. packvault snapshots --help says what it takes.\n");
  expect(stdout.toString()).toBe('');
});

test('without a repository to work on, every verb says how to name one', async () => {
  const cli = new Cli();
  const verbs = [['init'], ['ingest'], ['restore', 'latest'], ['snapshots'], ['verify'], ['repair'], ['reindex']];
  for (const args of [...verbs, ['key', 'list'], ['stats'], ['status'], ['unlock']]) {
    const { code, stderr } = await cli.run(args, { env: { PACKVAULT_REPOSITORY: '' } });
    expect(stderr, args.join(' ')).toBe(
      'packvault: Which repository? Give --repo LOCATION or set PACKVAULT_REPOSITORY.\n',
    );
    expect(code).toBe(2);
  }
});

test('options of every command may stand before the verb', async () => {
  const cli = new Cli();
  const env = { PACKVAULT_REPOSITORY: '' };
  await cli.ok(['-r', cli.repository, 'init', '--no-encryption'], { env });
  const { stdout } = await cli.ok(['--json', '--repo', cli.repository, 'snapshots'], { env });
  expect(JSON.parse(stdout.toString())).toEqual({ message_type: 'summary', snapshots: 0 });
});

test('where there is no repository, the exit code is 10 and the message names the place', async () => {
  const cli = new Cli();
  for (const args of [
    ['snapshots'],
    ['ingest', 'file'],
    ['restore', 'latest'],
    ['verify'],
    ['repair'],
    ['key', 'list'],
  ]) {
    writeFileSync(cli.path('file'), 'content');
    const { code, stderr } = await cli.run(args);
    expect(stderr, args.join(' ')).toContain(cli.repository);
    expect(code, args.join(' ')).toBe(10);
  }
  const { records } = await cli.json(['stats']);
  expect(only(records, 'error')).toMatchObject({ code: 'NOT_A_REPOSITORY', exitCode: 10 });
});

test('a repository that is there already is not touched by init, which ends with 1', async () => {
  const cli = new Cli();
  await cli.ok(['init', '--no-encryption']);
  await cli.ok(['ingest'], { input: 'kept' });
  const { code, stderr } = await cli.run(['init', '--no-encryption']);
  expect(stderr).toContain(cli.repository);
  expect(stderr).toContain('already');
  expect(code).toBe(1);
  expect((await cli.ok(['restore', 'latest'])).stdout.toString()).toBe('kept');
});

test('a place that cannot hold a repository ends init with 1', async () => {
  const cli = new Cli();
  writeFileSync(cli.path('file'), 'content');
  const { code, stderr } = await cli.run(['init', '--no-encryption', '--repo', cli.path('file')]);
  expect(stderr).toContain('a repository needs a folder of its own');
  expect(code).toBe(1);
});

test('a location of a kind that this version has not ends with 1 and says so', async () => {
  const { code, stderr } = await new Cli().run(['snapshots', '--repo', 'ftp://host/path']);
  expect(stderr).toContain('ftp:');
  expect(code).toBe(1);
});
