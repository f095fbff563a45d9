/** Where a passphrase comes from: the environment, a file, a command, or a prompt that shows nothing. Never argv. */
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { addAbortSignal } from 'node:stream';
import { text } from 'node:stream/consumers';
import { ReadStream } from 'node:tty';
import { PackvaultError } from '../index.ts';

/** The variable that holds a passphrase; with _FILE and _COMMAND behind it, those that say where to find one. */
type Variable = 'PACKVAULT_PASSWORD' | 'PACKVAULT_NEW_PASSWORD';

/** The passphrase that the environment names, if it does. */
export async function fromEnvironment(variable: Variable, signal: AbortSignal): Promise<string | undefined> {
  const { [variable]: direct, [`${variable}_FILE`]: file, [`${variable}_COMMAND`]: command } = process.env;
  if (direct !== undefined && direct !== '') return direct;
  if (file !== undefined && file !== '') return fromFile(file, variable, signal);
  if (command !== undefined && command !== '') return fromCommand(command, variable, signal);
  return undefined;
}

async function fromFile(path: string, variable: Variable, signal: AbortSignal): Promise<string> {
  try {
    return line(await readFile(path, { encoding: 'utf8', signal }), `${variable}_FILE`);
  } catch (error) {
    if (PackvaultError.is(error)) throw error;
    const { code = 'it failed' } = error as NodeJS.ErrnoException;
    throw required(`${variable}_FILE names ${path}, which can't be read (${code}).`);
  }
}

/** The command may say on standard error what is wrong; its standard input is empty, for ours may be the data. */
async function fromCommand(command: string, variable: Variable, signal: AbortSignal): Promise<string> {
  const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'inherit'], signal });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, killed) => resolve(code === 0 ? '' : `exit code ${code ?? killed}`));
  });
  const [printed, failure] = await Promise.all([text(child.stdout), ended]);
  signal.throwIfAborted();
  // What it printed may be the secret, or a part of it.
  if (failure !== '') throw required(`The command of ${variable}_COMMAND failed (${failure}).`);
  return line(printed, `${variable}_COMMAND`);
}

function line(printed: string, variable: string): string {
  const found = printed.replace(/\r?\n$/, '');
  if (found === '') throw required(`${variable} gave an empty passphrase.`);
  return found;
}

function required(message: string): PackvaultError {
  return new PackvaultError({ code: 'PASSPHRASE_REQUIRED', message: `${message} Nothing was changed.` });
}

/** The passphrase of a repository: from the environment, else asked for. */
export async function passphrase(prompt: string, variable: Variable, signal: AbortSignal): Promise<string> {
  return (await fromEnvironment(variable, signal)) ?? ask(prompt, variable, signal);
}

/** A new passphrase: like `passphrase`, but asked for twice. */
export async function newPassphrase(variable: Variable, signal: AbortSignal): Promise<string> {
  const given = await fromEnvironment(variable, signal);
  if (given !== undefined) return given;
  const typed = await ask('New passphrase: ', variable, signal);
  if (typed === '') throw required('The passphrase is empty.');
  if (typed !== (await ask('The same again: ', variable, signal))) throw required('The two passphrases differ.');
  return typed;
}

/** Reads a line from the terminal without showing it; standard input may be the data. */
async function ask(prompt: string, variable: Variable, signal: AbortSignal): Promise<string> {
  if (!process.stderr.isTTY) {
    throw required(
      `A passphrase is needed: set ${variable}, ${variable}_FILE or ${variable}_COMMAND, or run on a terminal.`,
    );
  }
  const terminal = new ReadStream(openSync(process.platform === 'win32' ? '\\\\.\\CON' : '/dev/tty', 'r'));
  // Before the prompt: who answers at once must not see it either.
  terminal.setRawMode(true);
  process.stderr.write(prompt);
  try {
    return await typedLine(addAbortSignal(signal, terminal.setEncoding('utf8')));
  } finally {
    if (!terminal.destroyed) terminal.setRawMode(false);
    terminal.destroy();
    process.stderr.write('\n');
  }
}

/** In raw mode the terminal hands over keys, not lines. */
async function typedLine(terminal: AsyncIterable<unknown>): Promise<string> {
  let typed = '';
  for await (const part of terminal) {
    for (const character of String(part)) {
      if (character === '\r' || character === '\n' || character === '\u0004') return typed;
      // Ctrl-C makes no signal in raw mode.
      if (character === '\u0003') process.kill(process.pid, 'SIGINT');
      else if (character === '\u007f' || character === '\b') typed = Array.from(typed).slice(0, -1).join('');
      else typed += character;
    }
  }
  return typed;
}
