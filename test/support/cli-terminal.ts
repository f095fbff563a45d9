/** Runs the built command line on a terminal of its own. */
import { spawn } from 'node:child_process';
import { expect, onTestFinished } from 'vitest';
import { type Cli, type Finished, finished, MAIN } from './cli.ts';

/** A shell's word. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

export const COMMAND: string = [process.execPath, MAIN].map(quoted).join(' ');

/**
 * Runs a shell's command line on a terminal. When the terminal shows the text of an answer, the answer is typed, or done. What the
 * terminal shows is standard output.
 */
export async function onTerminal(
  cli: Cli,
  command: string,
  answers: readonly (readonly [shown: string, answer: string | (() => void)])[],
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  // util-linux's and BSD's script(1) take the same things in different places.
  const script =
    process.platform === 'linux' ? ['-qec', command, '/dev/null'] : ['-q', '/dev/null', 'sh', '-c', command];
  const child = spawn('script', script, {
    cwd: cli.folder,
    env: cli.environment({ TERM: 'xterm', ...env }),
    stdio: 'pipe',
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let shown = '';
  const todo = [...answers];
  child.stdout.on('data', (part: Buffer) => {
    shown += part.toString();
    const [next] = todo;
    if (next === undefined || !shown.includes(next[0])) return;
    shown = '';
    todo.shift();
    if (typeof next[1] === 'string') child.stdin.write(next[1]);
    else next[1]();
  });
  const end = await finished(child);
  expect(todo, end.stdout.toString()).toEqual([]);
  return end;
}
