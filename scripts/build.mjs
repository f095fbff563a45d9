// Installs and builds, with the tools' own progress visible.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';

const WINDOWS = process.platform === 'win32';

/** Runs a command; its failure is ours. `about`: what it does and how long that may take. */
export function step(command, args, about = '') {
  console.error(`\n> ${command} ${args.join(' ')}${about && `\n  ${about}`}`);
  // npm is a script on Windows, which only a shell starts.
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', shell: WINDOWS });
  if (error) console.error(`${command} could not be started: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

/** Builds the addon and the TypeScript. Cargo does nothing where nothing changed. */
export function build() {
  const about = existsSync('target/release')
    ? 'builds what has changed'
    : 'builds the Rust core and the TypeScript: the first time this takes a minute or more';
  step('npm', ['run', '--silent', 'build'], about);
}

/** From a fresh checkout to something that runs: looks for the tools, installs what is locked, builds. */
export function prepare() {
  refuseMissingTools();
  // The developer's tools are needed whatever NODE_ENV says.
  if (!installed()) {
    const about = 'installs what package-lock.json names, into node_modules: up to a minute or so';
    step('npm', ['ci', '--include=dev', '--no-fund', '--no-audit'], about);
  }
  build();
}

/** Whether node_modules is there and not older than the lock. */
function installed() {
  const [lock, done] = ['package-lock.json', 'node_modules/.package-lock.json'];
  return existsSync(done) && statSync(done).mtimeMs >= statSync(lock).mtimeMs;
}

function refuseMissingTools() {
  const least = /\d+\.\d+/.exec(JSON.parse(readFileSync('package.json', 'utf8')).engines.node)[0];
  const node = process.versions.node;
  if (least.localeCompare(node, 'en', { numeric: true }) > 0) {
    refuse(`packvault needs Node.js ${least} or newer; this is ${node}. Install it from https://nodejs.org`);
  }
  // A rustup that has to fetch the toolchain says so on standard error.
  if (!starts('cargo')) refuse('packvault is built with Rust: install it from https://rustup.rs, then run this again.');
  if (!WINDOWS && !starts(process.env.CC ?? 'cc')) {
    refuse('A C compiler (cc) is needed: install build-essential, gcc, clang or the Xcode command line tools.');
  }
}

function starts(command) {
  return spawnSync(command, ['--version'], { stdio: ['ignore', 'ignore', 'inherit'], shell: WINDOWS }).status === 0;
}

function refuse(message) {
  console.error(message);
  process.exit(1);
}
