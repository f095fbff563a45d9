/**
 * `node test/servers/obtain.mjs [--long | NAME...]` gets the servers that tests run against, so that no test has to build one. Run it as
 * often as you like: what is there stays. Exits with 1 if one can't be had and CI or PACKVAULT_REQUIRE_STORES is set.
 *
 * What is built lies in `.cache/servers` (or the folder that PACKVAULT_SERVERS names), the version in its name, so that a new pin
 * builds anew. A ready binary named by an
 * environment variable (pins.mjs) is used as it is.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { namesFor, pinOf, remedyFor } from './pins.mjs';

const CACHE = process.env.PACKVAULT_SERVERS ?? fileURLToPath(new URL('../../.cache/servers/', import.meta.url));
const LOCK_POLL_MS = 500;

/** Whether a missing server is a failure. */
export function storesAreRequired() {
  return [process.env.CI, process.env.PACKVAULT_REQUIRE_STORES].some((value) => value !== undefined && value !== '');
}

/** Where the server's binary (for Azurite: its main script) is; `undefined` if it isn't there. Builds nothing. */
export function binaryOf(name) {
  const { variable } = pinOf(name);
  const own = process.env[variable];
  const path = own !== undefined && own !== '' ? own : usualPathOf(name);
  return path !== undefined && existsSync(path) ? path : undefined;
}

function usualPathOf(name) {
  if (name === 'sshd') return '/usr/sbin/sshd';
  if (name !== 'azurite') return cachedPathOf(name);
  try {
    return createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js');
  } catch {
    return undefined;
  }
}

function cachedPathOf(name) {
  return join(CACHE, `${name}-${pinOf(name).version}-${process.platform}-${process.arch}`);
}

/** Gets each of `names` that isn't there. Resolves with those that can't be had: `[{ name, reason }]`. */
export async function obtain(names) {
  const missing = [];
  for (const name of names) {
    if (binaryOf(name) !== undefined) continue;
    const reason = await getOne(name);
    if (reason !== undefined) missing.push({ name, reason });
  }
  return missing;
}

/** What to print, before and after the tests, of the servers that `obtain` couldn't get. Empty for none. */
export function skippedBlock(missing) {
  if (missing.length === 0) return '';
  const lines = missing.map(({ name, reason }) => `STORE TESTS SKIPPED: ${name} (${reason}; ${remedyFor(name)})`);
  const bar = '='.repeat(80);
  return `\n${bar}\n${lines.join('\n')}\n${bar}\n`;
}

/** Why the server can't be had; `undefined` when it is there now. */
async function getOne(name) {
  const pin = pinOf(name);
  const own = process.env[pin.variable];
  if (own !== undefined && own !== '') return `${pin.variable} names ${own}, which does not exist`;
  if (name === 'azurite') return 'it is not in node_modules';
  if (name === 'sshd') return installSshd();
  const unlock = await lock(name);
  try {
    // Another process may have built it while we waited.
    return binaryOf(name) === undefined ? build(name, pin) : undefined;
  } finally {
    unlock();
  }
}

function build(name, pin) {
  const folder = mkdtempSync(join(CACHE, 'building-'));
  try {
    const reason = pin.go === undefined ? cargoInstall(pin, folder) : goInstall(pin, folder);
    if (reason !== undefined) return reason;
    renameSync(join(folder, pin.go === undefined ? 'bin' : '', pin.builds), cachedPathOf(name));
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function goInstall({ go, version }, folder) {
  const args = ['install', '-trimpath', '-ldflags=-s -w', `${go}@${version}`];
  return run('go', args, { GOBIN: folder, CGO_ENABLED: '0' });
}

function cargoInstall({ cargo, features, version }, folder) {
  const target = join(folder, 'target');
  return run(
    'cargo',
    [
      'install',
      '--locked',
      // A control that is asked a few hundred requests: building takes longer than all of them.
      '--debug',
      '--features',
      features,
      '--root',
      folder,
      `${cargo}@${version}`,
    ],
    {
      CARGO_TARGET_DIR: target,
    },
  );
}

function installSshd() {
  if (process.platform !== 'linux' || process.getuid() !== 0) return 'openssh-server is not installed';
  const quiet = { DEBIAN_FRONTEND: 'noninteractive' };
  return (
    run('apt-get', ['update', '-qq'], quiet) ??
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'openssh-server'], quiet)
  );
}

/** Runs a command in sight of the user. Why it failed; `undefined` if it didn't. */
function run(command, args, env) {
  console.error(`> ${command} ${args.join(' ')}`);
  // Its standard output goes to ours for errors: whoever calls may read what we say on standard output.
  const { status, error } = spawnSync(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 2, 2] });
  if (error !== undefined) return error.code === 'ENOENT' ? `there is no ${command} on this machine` : error.message;
  return status === 0 ? undefined : `${command} ${args[0]} failed with exit code ${status}`;
}

/**
 * Keeps two processes from building the same at the same time, which would only waste time: what is built is renamed into
 * place, so nothing rests on this lock, and one left by a process that died is taken over.
 */
async function lock(name) {
  mkdirSync(CACHE, { recursive: true });
  const path = join(CACHE, `${name}.lock`);
  for (;;) {
    try {
      const descriptor = openSync(path, 'wx');
      writeSync(descriptor, String(process.pid));
      closeSync(descriptor);
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (isAlive(holderOf(path))) await wait(LOCK_POLL_MS);
      else rmSync(path, { force: true });
    }
  }
}

/** 0 if the lock is gone or not written yet. */
function holderOf(path) {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return 0;
  }
}

function isAlive(pid) {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const words = process.argv.slice(2);
  const long = words.includes('--long');
  const named = words.filter((word) => word !== '--long');
  const missing = await obtain(named.length > 0 ? named : namesFor(long));
  console.error(skippedBlock(missing));
  process.exitCode = missing.length > 0 && storesAreRequired() ? 1 : 0;
}
