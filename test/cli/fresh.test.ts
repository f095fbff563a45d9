import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../support/folders.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Runs `node scripts/try.mjs` in a checkout where only these programs are installed. */
function tryWith(programs: Readonly<Record<string, string>>, engines?: string): { code: number | null; said: string } {
  const folder = join(temporaryFolder(), 'a checkout');
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  cpSync(join(ROOT, 'scripts'), join(folder, 'scripts'), { recursive: true });
  const manifest = readFileSync(join(ROOT, 'package.json'), 'utf8');
  const changed = engines === undefined ? manifest : manifest.replace(/"node": ">=[\d.]+"/, `"node": "${engines}"`);
  writeFileSync(join(folder, 'package.json'), changed);
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  symlinkSync('/bin/sh', join(bin, 'sh'));
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/try.mjs'], {
    cwd: folder,
    env: { PATH: bin, HOME: folder },
    encoding: 'utf8',
  });
  return { code: status, said: `${stdout}${stderr}` };
}

test('npm run try says in one line which tool is missing', () => {
  const fine = 'exit 0';
  expect(tryWith({})).toEqual({
    code: 1,
    said: 'packvault is built with Rust: install it from https://rustup.rs, then run this again.\n',
  });
  expect(tryWith({ cargo: fine })).toEqual({
    code: 1,
    said: 'A C compiler (cc) is needed: install build-essential, gcc, clang or the Xcode command line tools.\n',
  });
  expect(tryWith({ cargo: fine, cc: fine }, '>=99.1')).toEqual({
    code: 1,
    said: `packvault needs Node.js 99.1 or newer; this is ${process.versions.node}. Install it from https://nodejs.org\n`,
  });
});

test('npm run try installs what is locked, says so, and stops where that fails', () => {
  const { code, said } = tryWith({ cargo: 'exit 0', cc: 'exit 0', npm: 'echo "npm $*"; exit 7' });
  expect(said).toContain('> npm ci --include=dev');
  expect(said).toContain('npm ci --include=dev --no-fund --no-audit\n');
  expect(said).not.toContain('npm run');
  expect(code).toBe(7);
});
