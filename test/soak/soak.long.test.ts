/** Real processes that are killed and paused, on one repository: a minute on each store, and faults that must be found. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { isAvailable } from '../servers/index.mjs';

const PROGRAM = fileURLToPath(new URL('main.mjs', import.meta.url));
const SEED = '1';

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function soak(...words: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [PROGRAM, '--seed', SEED, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...said }));
  });
}

async function holds(store: string): Promise<void> {
  const { code, stdout, stderr } = await soak('--store', store, '--minutes', '1');
  expect(code, stderr).toBe(0);
  const summary = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, number>;
  // Or it was no weather.
  for (const name of ['acknowledged', 'prunes', 'kills', 'pauses', 'restored']) {
    expect(summary[name], name).toBeGreaterThan(0);
  }
}

async function finds(fault: string, message: RegExp, store = 'local'): Promise<void> {
  const { code, stderr } = await soak('--store', store, '--minutes', '0.15', '--plant', fault);
  expect(stderr).toMatch(message);
  expect(code).toBe(1);
}

test('on local disk, no acknowledged backup is lost beside kills, pauses and prunes', () => holds('local'));
test('a lost pack is found', () => finds('pack', /verify found .*is missing/));
test('a lost snapshot is found', () => finds('snapshot', /was acknowledged and is lost/));
test('other bytes are found', () => finds('bytes', /restores to other bytes/));

describe.skipIf(!isAvailable('minio'))('on S3', () => {
  test('no acknowledged backup is lost beside kills, pauses and prunes', () => holds('s3'));
  test('a lost pack is found', () => finds('pack', /missing beyond what parity can make good/, 's3'));
});
