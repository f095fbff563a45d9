/** What becomes of processes and threads that use the package, however they end. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Repository } from '../../src/index.ts';
import { bytes, sha256 } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';
import { run, start } from '../support/programs.ts';
import { restored, SMALL } from '../support/repositories.ts';

const BODY = bytes(1, 3_000_000);

async function folderWithBackup(): Promise<{ folder: string; id: string }> {
  const folder = temporaryFolder();
  const repository = await Repository.init(folder, SMALL);
  const { id } = await repository.ingest(BODY);
  await repository.close();
  return { folder, id };
}

async function unharmed(folder: string, id: string): Promise<void> {
  const repository = await Repository.open(folder, SMALL);
  expect(sha256(await restored(repository, id))).toBe(sha256(BODY));
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);
  await repository.ingest(bytes(2, 100_000));
  await repository.close();
}

test('an open repository that is idle does not keep the process alive', async () => {
  expect(await run('idle.mjs', { folder: temporaryFolder() })).toBe('idle false\n');
});

test('an import loads no SDK and nothing else that only some need', async () => {
  const loaded = JSON.parse(await run('imports.mjs', {})) as string[];
  expect(loaded).toContain('node:fs/promises');
  const names = loaded.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []);
  expect(names.filter((name) => /aws|smithy|azure|google|ssh2|vitest|commander/.test(name))).toEqual([]);
  expect(loaded).not.toContain('node:net');
});

test('threads that are terminated at work leave no crash and a whole repository', async () => {
  const report = await run('terminated.mjs', { folder: temporaryFolder(), rounds: 9 });
  expect(JSON.parse(report)).toEqual({ ok: true, errors: [], first: true });
});

for (const [how, wanted] of Object.entries({
  exit: { code: 7, signal: null },
  throw: { code: 1, signal: null },
  signal: { code: null, signal: 'SIGTERM' },
})) {
  test(`a process that leaves by ${how} while it is at work ends at once, and harms nothing`, async () => {
    const { folder, id } = await folderWithBackup();
    const { code, signal, stderr } = await start('leave.mjs', { folder, how }).ended;
    expect({ code, signal }).toEqual(wanted);
    if (how === 'throw') expect(stderr).toContain('on purpose');
    else expect(stderr).toBe('');
    await unharmed(folder, id);
  });
}

test('a restore that is killed leaves no file under the name that was asked for', async () => {
  const { folder } = await folderWithBackup();
  const place = temporaryFolder();
  const repository = await Repository.open(folder, SMALL);
  const { id } = await repository.ingest(bytes(3, 60_000_000));
  await repository.close();
  const { child, ended } = start('restore.mjs', { folder, target: join(place, 'out') });
  child.stdout?.once('data', () => child.kill('SIGKILL'));
  expect((await ended).signal).toBe('SIGKILL');
  for (const name of readdirSync(place)) expect(name).toMatch(/^\.out\.[0-9a-f]{12}\.part$/);
  const again = await Repository.open(folder, SMALL);
  expect((await again.restoreTo(join(place, 'out'), id)).bytes).toBe(60_000_000);
  await again.close();
});
