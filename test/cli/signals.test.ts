import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Repository } from '../../src/index.ts';
import { Cli, feed, finished, only, records, until } from '../support/cli.ts';
import { bytes, sha256 } from '../support/data.ts';
import { collect, SMALL } from '../support/repositories.ts';

/** More than a pipe holds: when a process has taken so much, it reads. */
const PIPE_FULL = 4 << 20;
const STOPPED = 'Stopped. Nothing half-done is visible, and the repository is valid.';
const FIRST = bytes(1, 500_000);

/** A repository with a snapshot of `FIRST`. */
async function repository(): Promise<Cli> {
  const cli = new Cli();
  const made = await Repository.init(cli.repository, { ...SMALL, parity: { data: 4, parity: 2 } });
  await made.ingest(FIRST);
  await made.close();
  return cli;
}

/** It has its first snapshot and no other, and no damage; the next backup succeeds. */
async function expectValid(cli: Cli): Promise<void> {
  const opened = await Repository.open(cli.repository);
  try {
    expect(await opened.verify({ level: 'full' })).toMatchObject({ ok: true, errors: [] });
    const [snapshot, ...more] = await opened.listSnapshots();
    expect(more).toEqual([]);
    const restored = await collect(await opened.restore(snapshot?.id ?? ''));
    expect(sha256(restored)).toBe(sha256(FIRST));
  } finally {
    await opened.close();
  }
  const again = bytes(2, PIPE_FULL);
  await cli.ok(['ingest'], { input: again });
  expect((await cli.ok(['restore', 'latest'])).stdout.equals(again)).toBe(true);
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s in the middle of an ingest ends with %i and leaves a valid repository', async (signal, exitCode) => {
  const cli = await repository();
  const child = cli.start(['ingest', '--json']);
  const end = finished(child);
  await feed(child, bytes(2, PIPE_FULL));
  // The pipe stays open: the source has more and does not give it.
  child.kill(signal);
  const done = await end;
  expect(done.stderr).toContain(STOPPED);
  expect(only(records(done.stdout), 'error')).toMatchObject({ code: 'INTERRUPTED', exitCode });
  expect([done.code, done.signal]).toEqual([exitCode, null]);
  await expectValid(cli);
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s while a reader does not read ends restore with %i', async (signal, exitCode) => {
  const cli = await repository();
  await cli.ok(['ingest'], { input: bytes(3, 2 * PIPE_FULL) });
  const child = cli.start(['restore', 'latest']);
  // The first bytes are there; nobody takes them, and the rest does not fit into a pipe.
  child.stdout.once('readable', () => child.kill(signal));
  expect(await once(child, 'exit')).toEqual([exitCode, null]);
});

test('SIGINT in the middle of a restore to a file leaves no part of it', async () => {
  const cli = await repository();
  const body = new Uint8Array(128 << 20);
  await cli.ok(['ingest'], { input: body });
  mkdirSync(cli.path('out'));
  // A restore may be faster than the signal: then the file is whole. Once in some times the signal comes first.
  for (let tries = 1; ; tries += 1) {
    const child = cli.start(['restore', 'latest', '-o', 'out/file', '--force']);
    const end = finished(child);
    await until(child, () => readdirSync(cli.path('out')).length > 0);
    child.kill('SIGINT');
    const { code, stderr } = await end;
    if (code === 130) {
      expect(stderr).toContain(STOPPED);
      expect(readdirSync(cli.path('out'))).toEqual([]);
      break;
    }
    expect(code).toBe(0);
    expect(readFileSync(cli.path('out/file')).equals(body)).toBe(true);
    rmSync(cli.path('out/file'));
    expect(tries).toBeLessThan(10);
  }
});
