// `npm run check`: every check that needs no test to run. All run, then the exit code tells whether one failed.
import { spawnSync } from 'node:child_process';

/** @type {[name: string, command: string, args: string[]][]} */
const CHECKS = [
  ['formatting', 'npx', ['biome', 'ci', '.']],
  ['formatting of Rust', 'cargo', ['fmt', '--all', '--check']],
  ['formatting of fuzz targets', 'cargo', ['fmt', '--manifest-path', 'native/fuzz/Cargo.toml', '--check']],
  ['types', 'npx', ['tsc', '--noEmit']],
  ['lint', 'npx', ['oxlint', '--type-aware', '--deny-warnings']],
  ['unused files, exports and dependencies', 'npx', ['knip']],
  ['clippy', 'cargo', ['clippy', '--workspace', '--all-targets', '--all-features', '--', '-D', 'warnings']],
  [
    'clippy of fuzz targets',
    'cargo',
    [
      'clippy',
      '--manifest-path',
      'native/fuzz/Cargo.toml',
      '--target-dir',
      'target',
      '--all-targets',
      '--',
      '-D',
      'warnings',
    ],
  ],
  ['Rust documentation', 'cargo', ['doc', '--workspace', '--no-deps', '--document-private-items', '--quiet']],
  ['licences and sources of crates', 'cargo', ['deny', 'check', 'bans', 'licenses', 'sources']],
  ['the package', 'npm', ['run', '--silent', 'pack:check']],
  ['API pages', 'npm', ['run', '--silent', '--prefix', 'docs', 'build']],
];

const failed = CHECKS.filter(([name, command, args]) => {
  console.error(`\n> ${name}: ${command} ${args.join(' ')}`);
  const env = { ...process.env, RUSTDOCFLAGS: '-D warnings' };
  return spawnSync(command, args, { stdio: 'inherit', env, shell: process.platform === 'win32' }).status !== 0;
});
if (failed.length > 0) console.error(`\nFailed: ${failed.map(([name]) => name).join('; ')}`);
process.exitCode = failed.length > 0 ? 1 : 0;
