import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Cli, feed, finished, MAIN, only, records } from '../support/cli.ts';
import { bytes } from '../support/data.ts';

/** More than a pipe holds: when a process has taken so much, it reads. */
const PIPE_FULL = 4 << 20;

async function repository(): Promise<Cli> {
  const cli = new Cli();
  await cli.ok(['init', '--no-encryption']);
  return cli;
}

/** Stores files and standard input; `meanwhile` runs when the files are open and the snapshot is not made. */
async function ingestWhile(cli: Cli, files: readonly string[], meanwhile: () => void): ReturnType<Cli['json']> {
  const child = cli.start(['ingest', '--json', ...files, '-']);
  const end = finished(child);
  await feed(child, bytes(9, PIPE_FULL));
  meanwhile();
  child.stdin.end();
  const done = await end;
  return { ...done, records: records(done.stdout) };
}

test.each([
  ['grows', (path: string): void => appendFileSync(path, 'more')],
  ['is cut', (path: string): void => truncateSync(path, 10)],
  ['is written over', (path: string): void => writeFileSync(path, 'Other content!')],
])('a file that %s while it is stored is named, and the exit code is 3', async (_what, change) => {
  const cli = await repository();
  writeFileSync(cli.path('quiet'), 'quiet content');
  writeFileSync(cli.path('busy'), 'first content.');
  const done = await ingestWhile(cli, ['quiet', 'busy'], () => change(cli.path('busy')));
  expect(only(done.records, 'warning')).toMatchObject({ path: 'busy' });
  expect(only(done.records, 'summary')).toMatchObject({ changed: ['busy'] });
  expect(done.stderr).toContain('busy changed while it was stored');
  expect(done.code).toBe(3);
  // The snapshot is there, and the rest of it is as it was.
  expect((await cli.ok(['restore', 'latest', '--item', 'quiet'])).stdout.toString()).toBe('quiet content');
});

test('a file that is removed while it is stored is stored whole', async () => {
  const cli = await repository();
  writeFileSync(cli.path('gone'), 'content of the file');
  const done = await ingestWhile(cli, ['gone'], () => rmSync(cli.path('gone')));
  expect(done.code).toBe(0);
  expect((await cli.ok(['restore', 'latest', '--item', 'gone'])).stdout.toString()).toBe('content of the file');
});

test('a file that is not there, or is a folder, is told before anything is stored', async () => {
  const cli = await repository();
  writeFileSync(cli.path('there'), 'x');
  const missing = await cli.run(['ingest', 'there', 'missing']);
  expect(missing.stderr).toBe('packvault: missing is not there. No snapshot was made.\n');
  expect(missing.code).toBe(1);
  expect((await cli.json(['snapshots'])).records).toEqual([{ message_type: 'summary', snapshots: 0 }]);
});

test('the way that is shown for a folder works as it stands', async () => {
  const cli = await repository();
  mkdirSync(cli.path("it's a folder"));
  writeFileSync(cli.path("it's a folder/file"), 'in the folder');
  const { code, stderr } = await cli.run(['ingest', "it's a folder", '--repo', cli.repository]);
  expect(code).toBe(2);
  const [, shown = ''] = stderr.split('until then:\n');
  expect(shown).toContain(`--repo ${cli.repository}`);

  const asFunction = `packvault() { '${process.execPath}' '${MAIN}' "$@"; }; ${shown}`;
  const ended = spawnSync('sh', ['-c', asFunction], { cwd: cli.folder, env: cli.environment(), encoding: 'utf8' });
  expect(ended.stderr).toBe('');
  expect(ended.status).toBe(0);
  await cli.ok(['restore', 'latest', '--item', "it's a folder.tar", '-o', 'back.tar']);
  const listed = spawnSync('tar', ['-xOf', cli.path('back.tar'), './file'], { encoding: 'utf8' });
  expect(listed.stdout).toBe('in the folder');
});

test('a named pipe is read to its end', async () => {
  const cli = await repository();
  spawnSync('mkfifo', [cli.path('pipe')]);
  const end = cli.run(['ingest', 'pipe']);
  writeFileSync(cli.path('pipe'), 'through the pipe');
  expect((await end).code).toBe(0);
  await cli.ok(['restore', 'latest', '-o', 'file']);
  expect(readFileSync(cli.path('file'), 'utf8')).toBe('through the pipe');
});
