/** The command line as data: what a command takes, and what help says of it. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { Context } from './context.ts';
import { UsageError } from './exit-codes.ts';

interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  /** What help calls the value. */
  readonly value?: string;
  readonly about: string;
}

export type Options = Readonly<Record<string, Option>>;

/** A verb of the command line. */
export interface Command {
  /** What stands after `packvault`, one line per form. */
  readonly synopsis: readonly string[];
  readonly about: string;
  readonly options?: Options;
  /** The most arguments beside options; default none. */
  readonly most?: number;
  /** Whether it works without a repository of the user's: then it takes no `--repo`. */
  readonly standalone?: boolean;
  /** Environment variables beside those of every command. */
  readonly environment?: readonly (readonly [string, string])[];
  /** Runs it; the number is the exit code. */
  run(context: Context): Promise<number>;
}

const REPOSITORY: Options = {
  repo: {
    type: 'string',
    short: 'r',
    value: 'LOCATION',
    about: 'the repository: a folder, s3:, azure:, gs: or sftp:; default PACKVAULT_REPOSITORY',
  },
  cache: {
    type: 'string',
    value: 'DIR',
    about: "folder of caches, or none: memory only; default: the platform's",
  },
  'accept-rollback': {
    type: 'boolean',
    about: 'take what is there for the newest state, after the store was put back',
  },
};

const EVERYWHERE: Options = {
  json: { type: 'boolean', about: 'JSON lines on standard output, a summary last' },
  quiet: { type: 'boolean', short: 'q', about: 'no progress' },
  'memory-limit': { type: 'string', value: 'MIB', about: 'cap on memory in flight; default 256' },
  threads: { type: 'string', value: 'N', about: 'worker threads; default: the number of cores' },
  concurrency: { type: 'string', value: 'N', about: 'requests in flight to the store; default 16' },
  help: { type: 'boolean', short: 'h', about: 'this text' },
};

/** The options of every command, or of every one that works on the user's repository. */
export function commonOptions(standalone = false): Options {
  return standalone ? EVERYWHERE : { ...REPOSITORY, ...EVERYWHERE };
}

export type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

function config(options: Options): NonNullable<ParseArgsConfig['options']> {
  const entries = Object.entries(options).map(([name, { type, short, multiple = false }]) => {
    return [name, { type, multiple, ...(short !== undefined && { short }) }] as const;
  });
  return Object.fromEntries(entries);
}

/** The verb, and the arguments without it: options of every command may stand before it. */
export function findVerb(argv: readonly string[]): { readonly verb: string | undefined; readonly rest: string[] } {
  const options = { ...config(commonOptions()), version: { type: 'boolean', short: 'V' } } as const;
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true });
  const found = tokens.find((token) => token.kind === 'positional');
  const rest = found === undefined ? [...argv] : [...argv.slice(0, found.index), ...argv.slice(found.index + 1)];
  return { verb: found?.value, rest };
}

/** The arguments of a command. UsageError with the way to help. */
export function parse(
  verb: string,
  command: Command,
  args: string[],
): { readonly values: Values; readonly positionals: readonly string[] } {
  const options = config({ ...commonOptions(command.standalone), ...command.options });
  const wrong = (what: string): UsageError => new UsageError(`${what} packvault ${verb} --help says what it takes.`);
  let parsed: { readonly values: Values; readonly positionals: string[] };
  try {
    parsed = parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw wrong(complaint(error));
  }
  const { most = 0 } = command;
  if (parsed.values['help'] !== true && parsed.positionals.length > most) {
    throw wrong(`packvault ${verb} does not take ${JSON.stringify(parsed.positionals[most])}.`);
  }
  return parsed;
}

/** Node's complaint, its first sentence. */
function complaint(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const [first = text] = text.split(/\.\s|\n/);
  return `${first.replace(/\.$/, '')}.`;
}
