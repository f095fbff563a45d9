#!/usr/bin/env node
/** The command line: finds the command, runs it, turns errors into messages and exit codes. */
import { readFileSync } from 'node:fs';
import { Context } from './context.ts';
import { EXIT, exitCode, Interrupted, ReaderGone, UsageError } from './exit-codes.ts';
import { help, overview } from './help.ts';
import { type Command, findVerb, parse } from './options.ts';
import { Output } from './output.ts';

const COMMANDS: Readonly<Record<string, readonly [string, () => Promise<{ command: Command }>]>> = {
  init: ['make a repository', () => import('./commands/init.ts')],
  ingest: ['store files, or standard input, as a snapshot', () => import('./commands/ingest.ts')],
  restore: ['give a snapshot back', () => import('./commands/restore.ts')],
  snapshots: ['list snapshots', () => import('./commands/snapshots.ts')],
  verify: ['check what is stored; changes nothing', () => import('./commands/verify.ts')],
  repair: ['make damage good', () => import('./commands/repair.ts')],
  reindex: ['find packs that no index names', () => import('./commands/reindex.ts')],
  prune: ['remove old snapshots by rules, and free their space', () => import('./commands/prune.ts')],
  forget: ['remove snapshots by id, and free their space', () => import('./commands/forget.ts')],
  key: ['list, add, remove passphrases', () => import('./commands/key.ts')],
  stats: ['sizes and ratios', () => import('./commands/stats.ts')],
  status: ['who is at work', () => import('./commands/status.ts')],
  unlock: ['remove stale entries of who is at work', () => import('./commands/unlock.ts')],
  probe: ['find out what a store really does', () => import('./commands/probe.ts')],
  try: ['back up, damage, repair and restore real data in a temporary folder', () => import('./commands/try.ts')],
};

/** Where fingers that know other tools go wrong. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  backup: 'ingest',
  create: 'ingest',
  check: 'verify',
  list: 'snapshots',
  ls: 'snapshots',
  dump: 'restore',
  extract: 'restore',
  recover: 'repair',
  gc: 'prune',
  compact: 'prune',
  delete: 'forget',
  'repair-index': 'reindex',
  'rebuild-index': 'reindex',
  keys: 'key',
  passwd: 'key',
  locks: 'status',
};

// After a signal, answers that never come must not hold up the end: the repository is valid anyway.
const PATIENCE_MS = 5_000;
// Bytes for a pipe that nobody reads would keep the process alive.
const FLUSH_MS = 200;

async function find(verb: string): Promise<Command> {
  const found = Object.hasOwn(COMMANDS, verb) ? COMMANDS[verb] : undefined;
  if (found !== undefined) return (await found[1]()).command;
  const ours = Object.hasOwn(ELSEWHERE, verb) ? ELSEWHERE[verb] : undefined;
  const hint = ours === undefined ? 'packvault --help lists them.' : `packvault calls it ${ours}.`;
  throw new UsageError(`There is no command ${JSON.stringify(verb)}. ${hint}`);
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

async function withoutVerb(argv: readonly string[]): Promise<number> {
  if (argv.includes('--version') || argv.includes('-V')) {
    process.stdout.write(`packvault ${version()}\n`);
    return EXIT.ok;
  }
  process.stdout.write(`${overview(Object.entries(COMMANDS).map(([name, [about]]) => [name, about]))}\n`);
  return argv.includes('--help') || argv.includes('-h') ? EXIT.ok : EXIT.usage;
}

async function run(argv: readonly string[], output: Output, signal: AbortSignal): Promise<number> {
  const { verb, rest } = findVerb(argv);
  if (verb === undefined) return withoutVerb(argv);
  if (verb === 'help') {
    const about = findVerb(rest).verb;
    if (about === undefined) return withoutVerb(['--help']);
    process.stdout.write(`${help(await find(about))}\n`);
    return EXIT.ok;
  }
  const command = await find(verb);
  const { values, positionals } = parse(verb, command, rest);
  if (values['help'] === true) {
    process.stdout.write(`${help(command)}\n`);
    return EXIT.ok;
  }
  return command.run(new Context(values, positionals, output, signal));
}

/** Before the arguments are known to be right: what they say of the form of messages. */
function outputOf(argv: readonly string[]): Output {
  const end = argv.indexOf('--');
  const options = end < 0 ? argv : argv.slice(0, end);
  return new Output(options.includes('--json'), options.includes('--quiet') || options.includes('-q'));
}

async function main(): Promise<void> {
  const argv = process.argv.slice(2);
  const output = outputOf(argv);
  const abort = new AbortController();
  let ended = false;
  let unwritten: Error | undefined;
  const fail = (error: unknown): void => {
    ended = true;
    output.failure(error);
    process.exitCode = exitCode(error);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      const reason = new Interrupted(signal);
      if (abort.signal.aborted) process.exit(reason.exitCode);
      abort.abort(reason);
      setTimeout(() => {
        if (!ended) fail(reason);
        // process.exit() waits for a thread that hangs in the system, as in opening a pipe that nobody writes to.
        process.removeAllListeners(signal);
        process.kill(process.pid, signal);
      }, PATIENCE_MS).unref();
    });
  }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    unwritten ??= error.code === 'EPIPE' ? new ReaderGone() : error;
    abort.abort(unwritten);
    if (ended && process.exitCode === EXIT.ok) fail(unwritten);
  });
  // Nobody is left to be told.
  process.stderr.on('error', () => undefined);
  try {
    process.exitCode = await run(argv, output, abort.signal);
    // Results that nobody got are no success, whatever the command says.
    if (unwritten !== undefined) throw unwritten;
    ended = true;
  } catch (error) {
    fail(abort.signal.aborted ? abort.signal.reason : error);
    if (abort.signal.aborted) setTimeout(() => process.exit(), FLUSH_MS).unref();
  } finally {
    output.clear();
  }
}

await main();
