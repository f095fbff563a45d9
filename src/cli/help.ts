/** What `--help` says. */
import { EXIT_MEANINGS } from './exit-codes.ts';
import { type Command, commonOptions, type Options } from './options.ts';

const ENVIRONMENT = [
  ['PACKVAULT_PASSWORD', 'the passphrase'],
  ['PACKVAULT_PASSWORD_FILE', 'a file that holds it'],
  ['PACKVAULT_PASSWORD_COMMAND', 'a command that prints it'],
] as const;
const REPOSITORY = [['PACKVAULT_REPOSITORY', 'the repository, where --repo is not given']] as const;

/** Help of the whole. */
export function overview(verbs: readonly (readonly [string, string])[]): string {
  return [
    'packvault: deduplicated, compressed, encrypted, self-healing backups',
    'Usage: packvault COMMAND [OPTIONS]\n       packvault COMMAND --help\n       packvault --version',
    section('Commands', verbs),
    section('Options of every command', lines(commonOptions())),
    section('Environment', [...REPOSITORY, ...ENVIRONMENT]),
    'Without any of these three, the passphrase is asked for on the terminal. It is never an argument: others can read those.',
    section('Exit codes', EXIT_MEANINGS),
  ].join('\n\n');
}

/** Help of one command. */
export function help(command: Command): string {
  const { synopsis, about, options = {}, standalone = false, environment = [] } = command;
  const own = lines(options);
  const variables = standalone ? environment : [...REPOSITORY, ...ENVIRONMENT, ...environment];
  return [
    synopsis.map((form, i) => `${i === 0 ? 'Usage: ' : '       '}packvault ${form}`).join('\n'),
    about,
    ...(own.length > 0 ? [section('Options', own)] : []),
    section('Options of every command', lines(commonOptions(standalone))),
    ...(variables.length > 0 ? [section('Environment', variables)] : []),
    section('Exit codes', EXIT_MEANINGS),
  ].join('\n\n');
}

function lines(options: Options): [string, string][] {
  return Object.entries(options).map(([name, { short, value, about }]) => {
    const dashes = `${short === undefined ? '    ' : `-${short}, `}--${name}`;
    return [value === undefined ? dashes : `${dashes} ${value}`, about];
  });
}

function section(title: string, rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  const indent = `\n${' '.repeat(width + 4)}`;
  return [title, ...rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right.replaceAll('\n', indent)}`)].join(
    '\n',
  );
}
