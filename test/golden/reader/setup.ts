/** A Python with what the reader needs, made once under .cache/ (git-ignored), and the reader itself. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const READER: string = fileURLToPath(new URL('.', import.meta.url));
/** For the hook that calls `python()` first: the packages may have to be fetched. */
export const SETUP_TIMEOUT = 600_000;

const CACHE = fileURLToPath(new URL('../../../.cache/', import.meta.url));
const REQUIREMENTS = join(READER, 'requirements.txt');
const WINDOWS = process.platform === 'win32';

/**
 * The interpreter's path. A file named by the hash of requirements.txt says where the finished environment is: an environment
 * knows its own path, so it cannot be renamed into place. Several processes may build at once; one of them is taken.
 */
export function python(): string {
  const hash = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 16);
  const pointer = join(CACHE, `reader-${hash}`);
  if (!pointsToPython(pointer)) {
    mkdirSync(CACHE, { recursive: true });
    const folder = mkdtempSync(`${pointer}-`);
    build(folder);
    if (pointsToPython(pointer)) rmSync(folder, { recursive: true });
    else {
      writeFileSync(join(folder, 'pointer'), interpreter(folder));
      renameSync(join(folder, 'pointer'), pointer);
    }
  }
  return readFileSync(pointer, 'utf8');
}

/** Runs a script of the reader's folder. */
export function runPython(
  script: string,
  args: string[],
  input = '',
): { status: number; stdout: string; stderr: string } {
  const { status, stdout, stderr, error } = spawnSync(python(), [join(READER, script), ...args], {
    input,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  if (error !== undefined) throw error;
  return { status: status ?? -1, stdout, stderr };
}

export interface Written {
  /** Ids of the snapshots that stay in force. */
  inForce: string[];
  /** Packs that a prune may delete at any time. */
  deletable: string[];
}

/** Changes a repository in a way that no API does: see write_rounds.py. */
export function writeWithPython(word: string, folder: string, passphrase: string | undefined): Written {
  const task = JSON.stringify({ passphrase: passphrase ?? null });
  const { status, stdout, stderr } = runPython('write_rounds.py', [word, folder], task);
  if (status !== 0) throw new Error(`write_rounds.py failed:\n${stderr}`);
  return JSON.parse(stdout) as Written;
}

function pointsToPython(pointer: string): boolean {
  return existsSync(pointer) && existsSync(readFileSync(pointer, 'utf8'));
}

function interpreter(folder: string): string {
  return join(folder, WINDOWS ? 'Scripts/python.exe' : 'bin/python');
}

function build(folder: string): void {
  const missing =
    'The independent reader needs Python 3.10 or later with venv. Debian, Ubuntu: apt-get install python3-venv';
  run(WINDOWS ? 'python' : 'python3', ['-m', 'venv', folder], folder, missing);
  const offline = `The packages of ${REQUIREMENTS} could not be installed.`;
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', REQUIREMENTS];
  run(interpreter(folder), pip, folder, offline);
}

function run(command: string, args: string[], folder: string, hint: string): void {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return;
  rmSync(folder, { recursive: true, force: true });
  throw new Error([hint, error?.message, stdout, stderr].filter(Boolean).join('\n'), { cause: error });
}
