#!/usr/bin/env node
/** The command line: finds the command, runs it, turns errors into messages and exit codes. */
import { readFileSync } from 'node:fs';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { Context } from './context.ts';
import { EXIT, exitCode, Interrupted, UsageError } from './exit-codes.ts';

/** A verb of the command line. */
export interface Command {
  readonly usage: string;
  readonly options?: ParseArgsConfig['options'];
  /** Runs it; the number is the exit code. */
  run(context: Context): Promise<number>;
}

const COMMANDS: Readonly<Record<string, readonly [string, () => Promise<{ command: Command }>]>> = {
  init: ['make a repository', () => import('./commands/init.ts')],
  ingest: ['store files, or standard input, as a snapshot', () => import('./commands/ingest.ts')],
  restore: ['give a snapshot back', () => import('./commands/restore.ts')],
  snapshots: ['list snapshots', () => import('./commands/snapshots.ts')],
  verify: ['check what is stored; changes nothing', () => import('./commands/verify.ts')],
  repair: ['make damage good', () => import('./commands/repair.ts')],
  reindex: ['find packs that no index names', () => import('./commands/reindex.ts')],
  key: ['list, add, remove passphrases', () => import('./commands/key.ts')],
  stats: ['sizes and ratios', () => import('./commands/stats.ts')],
  status: ['who is at work', () => import('./commands/status.ts')],
  unlock: ['remove stale entries of who is at work', () => import('./commands/unlock.ts')],
  try: ['back up, damage, repair and restore real data in a temporary folder', () => import('./commands/try.ts')],
};

const COMMON = {
  repo: { type: 'string', short: 'r' },
  json: { type: 'boolean' },
  quiet: { type: 'boolean', short: 'q' },
  help: { type: 'boolean', short: 'h' },
  'memory-limit': { type: 'string' },
  threads: { type: 'string' },
} as const satisfies ParseArgsConfig['options'];

function help(): string {
  const verbs = Object.entries(COMMANDS).map(([name, [about]]) => `  ${name.padEnd(11)}${about}`);
  return `packvault: deduplicated, compressed, encrypted, self-healing backups

Usage: packvault COMMAND [OPTIONS]        packvault COMMAND --help says more

${verbs.join('\n')}

Every command takes
  -r, --repo LOCATION   the repository; default PACKVAULT_REPOSITORY
  --json                JSON lines on standard output
  -q, --quiet           no progress
  --memory-limit MIB    cap on memory in flight, default 256
  --threads N           default: the number of cores

The passphrase comes from PACKVAULT_PASSWORD, PACKVAULT_PASSWORD_FILE, PACKVAULT_PASSWORD_COMMAND, or is asked for.
Exit codes: 0 ok, 1 failed, 2 usage, 3 partial, 4 integrity failure, 5 conflict, 10 no repository, 11 locked,
12 wrong or missing passphrase, 130 interrupted.`;
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

async function run(argv: readonly string[], signal: AbortSignal): Promise<number> {
  const [name = '', ...rest] = argv;
  if (name === '--version' || name === '-V') {
    process.stdout.write(`packvault ${version()}\n`);
    return EXIT.ok;
  }
  if (name === '' || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(`${help()}\n`);
    return name === '' ? EXIT.usage : EXIT.ok;
  }
  const found = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (found === undefined) throw new UsageError(`There is no command ${JSON.stringify(name)}. See packvault --help.`);
  const { command } = await found[1]();
  const { Context } = await import('./context.ts');
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: rest, options: { ...COMMON, ...command.options }, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${command.usage}`);
  }
  if (parsed.values['help'] === true) {
    process.stdout.write(`${command.usage}\n`);
    return EXIT.ok;
  }
  const context = new Context(parsed.values, parsed.positionals, signal);
  try {
    return await command.run(context);
  } finally {
    context.progressLine.clear();
  }
}

function report(error: unknown, json: boolean): void {
  const code = exitCode(error);
  const message = error instanceof Error ? error.message : String(error);
  const kind = typeof (error as { code?: unknown }).code === 'string' ? (error as { code: string }).code : 'FAILED';
  if (json)
    process.stdout.write(`${JSON.stringify({ message_type: 'error', code: kind, message, exit_code: code })}\n`);
  process.stderr.write(`packvault: ${message}\n`);
}

async function main(): Promise<void> {
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (abort.signal.aborted) process.exit(EXIT.interrupted);
      abort.abort(new Interrupted(signal));
    });
  }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.stderr.write(error.code === 'EPIPE' ? '' : `packvault: ${error.message}\n`);
    process.exit(EXIT.failed);
  });
  const argv = process.argv.slice(2);
  try {
    process.exitCode = await run(argv, abort.signal);
  } catch (error) {
    report(error, argv.includes('--json'));
    process.exitCode = exitCode(error);
  }
}

await main();
