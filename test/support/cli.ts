/** Runs the built command line in a process of its own, with an empty home. */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** Stands in place of every passphrase, so that a look for it finds every leak. */
export const SECRET = 'Kübel-voll-Geheimnis 7341';

export const MAIN: string = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Finished {
  /** `null` after a signal that ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads from standard input; default nothing. */
  readonly input?: Uint8Array | string;
  readonly cwd?: string;
}

/** A line of `--json`. */
export type JsonRecord = Readonly<Record<string, unknown>> & { readonly message_type: string };

/** The command line as a user has it: a folder for files, an empty home, a repository by environment variable. */
export class Cli {
  /** Vanishes with the test. */
  readonly folder: string;
  readonly repository: string;
  readonly #env: Readonly<Record<string, string>>;

  /** With an encrypted repository in mind, unless `encrypted` is false. */
  constructor(encrypted = false) {
    this.folder = mkdtempSync(join(tmpdir(), 'packvault-cli-'));
    onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }));
    this.repository = join(this.folder, 'repository');
    const home = join(this.folder, 'home');
    mkdirSync(home);
    this.#env = {
      PATH: process.env['PATH'] ?? '',
      HOME: home,
      TMPDIR: this.folder,
      PACKVAULT_REPOSITORY: this.repository,
      ...(encrypted && { PACKVAULT_PASSWORD: SECRET }),
    };
  }

  /** A path in the folder. */
  path(name: string): string {
    return join(this.folder, name);
  }

  environment(more: RunOptions['env'] = {}): Record<string, string> {
    return { ...this.#env, ...more };
  }

  /** Starts it; standard input stays open. */
  start(args: readonly string[], options: Omit<RunOptions, 'input'> = {}): ChildProcessWithoutNullStreams {
    const { cwd = this.folder, env } = options;
    const child = spawn(process.execPath, [MAIN, ...args], { cwd, env: this.environment(env), stdio: 'pipe' });
    // A reader that ends early is a result, not a failure of the test.
    child.stdin.on('error', () => undefined);
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  }

  /** Runs it to its end. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const child = this.start(args, options);
    const end = finished(child);
    child.stdin.end(options.input ?? '');
    return end;
  }

  /** Runs it with `--json`: its records, beside how it ended. */
  async json(
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<Finished & { readonly records: JsonRecord[] }> {
    const end = await this.run(['--json', ...args], options);
    // Where standard output is for the bytes of a restore, records go to standard error.
    return { ...end, records: records(end.stdout.length > 0 ? end.stdout : Buffer.from(end.stderr)) };
  }

  /** Runs what must succeed. */
  async ok(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const end = await this.run(args, options);
    if (end.code !== 0) throw new Error(`packvault ${args.join(' ')} ended with ${end.code}: ${end.stderr}`);
    return end;
  }
}

/** Everything that a process says, and how it ends. */
export async function finished(child: ChildProcess): Promise<Finished> {
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout?.on('data', (part: Buffer) => stdout.push(part));
  child.stderr?.on('data', (part: Buffer) => stderr.push(part));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
}

/** Lines of JSON, each an object with a `message_type`. Progress is left out: how often it comes depends on speed. */
export function records(output: Uint8Array): JsonRecord[] {
  const lines = Buffer.from(output).toString().split('\n');
  if (lines.pop() !== '') throw new Error('The last line is not ended.');
  const all = lines.map((line) => JSON.parse(line) as JsonRecord);
  for (const record of all) {
    if (typeof record.message_type !== 'string') throw new Error(`No message_type: ${JSON.stringify(record)}`);
  }
  return all.filter((record) => record.message_type !== 'status');
}

/** The one record of a type. Throws if there is none, or another one. */
export function only(all: readonly JsonRecord[], type: string): JsonRecord {
  const [found, ...more] = all.filter((record) => record.message_type === type);
  if (found === undefined || more.length > 0) {
    throw new Error(`Expected one ${type} among ${JSON.stringify(all)}`);
  }
  return found;
}

/** Writes to a process until it has taken all of it, or has ended. */
export async function feed(child: ChildProcessWithoutNullStreams, bytes: Uint8Array): Promise<void> {
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.stdin.write(bytes, () => resolve());
  });
}

/** Resolves when `condition` holds or the process has ended. Looks again and again, since no event tells of a file. */
export async function until(child: ChildProcess, condition: () => boolean): Promise<void> {
  while (child.exitCode === null && child.signalCode === null && !condition()) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
