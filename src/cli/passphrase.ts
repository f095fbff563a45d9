/** Where a passphrase comes from: the environment, a file, a command, or a prompt that shows nothing. Never argv. */
import { execFile } from 'node:child_process';
import { openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { ReadStream } from 'node:tty';
import { PackvaultError } from '../index.ts';

/** The passphrase that the environment names, if it does. `variable` is PACKVAULT_PASSWORD or PACKVAULT_NEW_PASSWORD. */
export async function fromEnvironment(variable: string): Promise<string | undefined> {
  const { [variable]: direct, [`${variable}_FILE`]: file, [`${variable}_COMMAND`]: command } = process.env;
  if (direct !== undefined && direct !== '') return direct;
  if (file !== undefined && file !== '') return firstLine(await readFile(file, 'utf8'), `${variable}_FILE`);
  if (command === undefined || command === '') return undefined;
  const shell = process.platform === 'win32' ? ['cmd', '/c', command] : ['sh', '-c', command];
  try {
    const { stdout } = await promisify(execFile)(shell[0] ?? 'sh', shell.slice(1));
    return firstLine(stdout, `${variable}_COMMAND`);
  } catch (error) {
    if (PackvaultError.is(error)) throw error;
    // The command and what it printed may hold the secret.
    const { code } = error as { code?: number | string };
    throw required(`${variable}_COMMAND failed (${String(code)}).`);
  }
}

function firstLine(text: string, variable: string): string {
  const line = text.replace(/\r?\n$/, '');
  if (line === '') throw required(`${variable} gave an empty passphrase.`);
  return line;
}

function required(message: string): PackvaultError {
  return new PackvaultError({ code: 'PASSPHRASE_REQUIRED', message });
}

/** The passphrase of a repository: from the environment, else asked for. */
export async function passphrase(prompt: string, variable = 'PACKVAULT_PASSWORD'): Promise<string> {
  const given = await fromEnvironment(variable);
  if (given !== undefined) return given;
  if (!process.stderr.isTTY) {
    throw required(
      `A passphrase is needed: set ${variable}, ${variable}_FILE or ${variable}_COMMAND, or run on a terminal.`,
    );
  }
  return ask(prompt);
}

/** Like `passphrase`, asked for twice: for a new one. */
export async function newPassphrase(variable = 'PACKVAULT_PASSWORD'): Promise<string> {
  const given = await fromEnvironment(variable);
  if (given !== undefined) return given;
  const first = await passphrase('New passphrase: ', variable);
  if (first !== (await ask('Again: '))) throw required('The two passphrases differ. Nothing was changed.');
  return first;
}

/** Reads a line from the terminal without showing it; standard input may be the data. */
async function ask(prompt: string): Promise<string> {
  const terminal = new ReadStream(openSync(process.platform === 'win32' ? '\\\\.\\CON' : '/dev/tty', 'r'));
  process.stderr.write(prompt);
  terminal.setRawMode(true);
  let typed = '';
  try {
    for await (const part of terminal.setEncoding('utf8')) {
      for (const character of part as string) {
        if (character === '\r' || character === '\n' || character === '\u0004') return typed;
        if (character === '\u0003') process.exit(130);
        if (character === '\u007f' || character === '\b') typed = Array.from(typed).slice(0, -1).join('');
        else typed += character;
      }
    }
    return typed;
  } finally {
    terminal.setRawMode(false);
    terminal.destroy();
    process.stderr.write('\n');
  }
}
