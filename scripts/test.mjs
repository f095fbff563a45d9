// `npm test`: installs what is locked, builds, runs the Rust and the TypeScript tests, and counts both in one closing line.
// `npm run test:long` runs the sweeps that take minutes instead. Words after `--` choose TypeScript tests by path.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { obtain, skippedBlock, storesAreRequired } from '../test/servers/obtain.mjs';
import { namesFor } from '../test/servers/pins.mjs';
import { prepare } from './build.mjs';

const long = process.argv.includes('--long');
const chosen = process.argv.slice(2).filter((word) => word !== '--long');
const counts = { passed: 0, failed: 0, skipped: 0 };
let broken = false;

/** Runs a command whose output is shown as it comes; `line` sees each line of its standard output. */
function run(command, args, env, line) {
  console.error(`\n> ${command} ${args.join(' ')}`);
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
      shell: process.platform === 'win32',
    });
    let rest = '';
    child.stdout.on('data', (part) => {
      process.stdout.write(part);
      const lines = (rest + part).split('\n');
      rest = lines.pop() ?? '';
      lines.forEach(line);
    });
    child.on('error', (error) => {
      console.error(`${command} could not be started: ${error.message}`);
      resolve(1);
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
}

async function rust() {
  const args = long
    ? [
        'test',
        // The whole workspace, so that what the other tests built is used again.
        '--workspace',
        '--features',
        'packvault-sim/long',
        '--test',
        'long_histories',
        '--test',
        'matrix_long',
        '--test',
        'model',
      ]
    : ['test', '--workspace'];
  const code = await run('cargo', args, {}, (line) => {
    const found = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/.exec(line);
    if (found === null) return;
    counts.passed += Number(found[1]);
    counts.failed += Number(found[2]);
    counts.skipped += Number(found[3]);
  });
  broken ||= code !== 0;
}

async function typescript() {
  const folder = mkdtempSync(join(tmpdir(), 'packvault-test-'));
  const report = join(folder, 'report.json');
  const args = ['vitest', 'run', ...chosen, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const code = await run('npx', args, long ? { PACKVAULT_LONG: '1' } : {}, () => undefined);
  if (existsSync(report)) {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(report, 'utf8'));
    counts.passed += numPassedTests;
    counts.failed += numFailedTests;
    counts.skipped += numPendingTests + numTodoTests;
  }
  rmSync(folder, { recursive: true });
  broken ||= code !== 0;
}

// CI has just built it.
if (process.env.PACKVAULT_BUILT !== '1') prepare();
if (chosen.length === 0) await rust();
// The real storage servers, before any test's clock runs.
const missing = await obtain(namesFor(long));
await typescript();
if (missing.length > 0) {
  console.error(skippedBlock(missing));
  if (storesAreRequired()) broken = true;
}
// In CI a test that did not run is a test that failed.
if (process.env.CI && counts.skipped > 0) broken = true;
console.log(`\npackvault: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = broken || counts.failed > 0 ? 1 : 0;
