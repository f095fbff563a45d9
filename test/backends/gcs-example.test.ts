import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { isAvailable, type GcsServer, startFakeGcs } from '../servers/index.mjs';

const EXAMPLE = fileURLToPath(new URL('../../examples/gcs.mjs', import.meta.url));
const ROW = 'INSERT INTO numbers VALUES (1000000);\n';
const DUMP = `for (let id = 1000000; id < 1020000; id += 1) console.log(\`INSERT INTO numbers VALUES (\${id});\`)`;

describe.skipIf(!isAvailable('fake-gcs'))('the example on Google Cloud Storage', async () => {
  const server = isAvailable('fake-gcs') ? await startFakeGcs() : (undefined as unknown as GcsServer);
  afterAll(async () => server?.stop());
  const bucket = await server?.createBucket();

  function run(program: string): { status: number | null; stdout: string; stderr: string } {
    const env = {
      ...process.env,
      STORAGE_EMULATOR_HOST: server.url,
      PACKVAULT_PASSWORD: 'a passphrase for a test',
      XDG_CACHE_HOME: server.folder,
    };
    const words = [EXAMPLE, `gs://${bucket}/backups`, process.execPath, '--eval', program];
    return spawnSync(process.execPath, words, { env, encoding: 'utf8' });
  }

  test('backs up a dump, lists it, and reads a part from its middle', () => {
    const first = run(DUMP);
    expect(first.status, first.stderr).toBe(0);
    expect(first.stdout.length).toBe(200);
    const size = 20_000 * ROW.length;
    const whole = Array.from({ length: 20_000 }, (_, row) => ROW.replace('1000000', String(1_000_000 + row))).join('');
    expect(first.stdout).toBe(whole.slice((size - 200) / 2, (size + 200) / 2));
    const [, id = 'none'] = /^Stored 0\.8 MB as .* in ([0-9a-f]{32})\.$/m.exec(first.stderr) ?? [];
    const second = run(DUMP);
    expect(second.stderr).toContain('Stored 0.8 MB as 0.0 MB');
    expect(second.stderr).toContain(`  ${id}  20`);
  });

  test('a dump that fails halfway is no backup', () => {
    const before = run(DUMP).stderr.match(/^ {2}[0-9a-f]{32}/gm)?.length ?? 0;
    const failed = run(`${DUMP}; process.exitCode = 3`);
    expect([failed.status, failed.stdout]).toEqual([1, '']);
    expect(failed.stderr).toContain('exit code 3');
    expect(run(DUMP).stderr.match(/^ {2}[0-9a-f]{32}/gm)).toHaveLength(before + 1);
  });
});
