/** A store that was put back, caches, and a store that does not answer, as users of the command line meet them. */
import { cpSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { Output } from '../../src/cli/output.ts';
import { Cli } from '../support/cli.ts';
import { bytes } from '../support/data.ts';

const QUIET_SDK = { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' };

/** One backup, a copy, then another backup and a round; then the copy is put back. */
async function putBack(...common: string[]): Promise<Cli> {
  const cli = new Cli();
  await cli.ok(['init', '--no-encryption', ...common]);
  writeFileSync(cli.path('file'), bytes(1, 300_000));
  await cli.ok(['ingest', 'file', ...common]);
  cpSync(cli.repository, cli.path('old'), { recursive: true });
  writeFileSync(cli.path('file'), bytes(2, 300_000));
  await cli.ok(['ingest', 'file', ...common]);
  await cli.ok(['prune', '--keep-last', '1', ...common]);
  rmSync(cli.repository, { recursive: true });
  cpSync(cli.path('old'), cli.repository, { recursive: true });
  return cli;
}

test('an older state ends with 4 and says what to do; --accept-rollback does it, once for all', async () => {
  const cli = await putBack();
  const refused = await cli.run(['ingest', 'file']);
  expect(refused.code).toBe(4);
  expect(refused.stderr).toContain('has seen deletion round 1');
  expect(refused.stderr).toContain('--accept-rollback');
  const { records, code } = await cli.json(['snapshots']);
  expect([code, records.at(-1)]).toEqual([4, expect.objectContaining({ code: 'ROLLED_BACK', exitCode: 4 })]);
  await cli.ok(['snapshots', '--accept-rollback']);
  await cli.ok(['ingest', 'file']);
});

test('--cache names the folder that remembers, and none remembers nothing', async () => {
  const cli = await putBack('--cache', 'own');
  expect(existsSync(cli.path('own'))).toBe(true);
  expect(existsSync(cli.path('home/.cache'))).toBe(false);
  expect((await cli.run(['snapshots', '--cache', 'own'])).code).toBe(4);
  await cli.ok(['snapshots', '--cache', 'none']);
  await cli.ok(['snapshots', '--cache', 'other']);
  expect(existsSync(cli.path('home/.cache'))).toBe(false);
  const empty = await cli.run(['snapshots', '--cache', '']);
  expect([empty.code, empty.stderr]).toEqual([2, expect.stringContaining('--cache takes a folder, or none')]);
});

test('a store that does not answer is waited for with a line on standard error', async () => {
  const cli = new Cli();
  const env = { AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'y', AWS_REGION: 'us-east-1', ...QUIET_SDK };
  const child = cli.start(['snapshots', '--repo', 's3:http://127.0.0.1:1/bucket/prefix'], { env });
  let said = '';
  await new Promise<void>((resolve) => {
    child.stderr.on('data', (text: Buffer) => {
      said += text.toString();
      if (said.includes('\n')) resolve();
    });
    child.on('exit', () => resolve());
  });
  expect(said).toMatch(/^packvault: config\.json: attempt 4 failed, trying again: .+\n$/);
});

test('beside records, and when asked to be quiet, nobody is told of waiting', () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    for (const [json, quiet] of [
      [true, false],
      [false, true],
    ] as const) {
      new Output(json, quiet).waiting('x');
    }
    expect(written).not.toHaveBeenCalled();
    const output = new Output(false, false);
    output.waiting('one');
    output.waiting('two');
    expect(written.mock.calls).toEqual([['packvault: one\n']]);
  } finally {
    written.mockRestore();
  }
});
