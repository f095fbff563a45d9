/** A gibibyte through every call that moves data: the process stays within the memory limit, and what Node needs on top. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../support/folders.ts';
import { run } from '../support/programs.ts';

const MIB = 1 << 20;
const SIZE = 1 << 30;

async function peak(input: Readonly<Record<string, unknown>>): Promise<number> {
  return Number(await run('memory.mjs', { size: SIZE, ...input }));
}

// V8 frees buffers late, up to 64 MiB of them: beside a small limit that shows.
const SETUPS = [
  { memoryLimit: 256 * MIB, onTop: 100, options: {} },
  { memoryLimit: 64 * MIB, onTop: 140, options: { packSize: 2 * MIB, parity: { data: 4, parity: 2 }, threads: 8 } },
  { memoryLimit: 128 * MIB, onTop: 140, options: { packSize: 32 * MIB, parity: false, threads: 4 } },
] as const;

for (const { memoryLimit, onTop, options } of SETUPS) {
  test(`within ${memoryLimit / MIB} MiB: ${JSON.stringify(options)}`, { timeout: 600_000 }, async () => {
    const folder = join(temporaryFolder(), 'repository');
    for (const job of ['ingest', 'restore', 'restoreTo', 'verify', 'repair', 'reindex']) {
      const most = await peak({ folder, job, memoryLimit, options });
      expect(most / MIB, job).toBeLessThanOrEqual(memoryLimit / MIB + onTop);
      expect(most / MIB, job).toBeGreaterThan(30);
    }
  });
}

test('planted: a program that keeps what it reads is seen to', async () => {
  expect(await peak({ folder: '', job: 'hoard', memoryLimit: 256 * MIB, options: {} })).toBeGreaterThan(SIZE);
});
