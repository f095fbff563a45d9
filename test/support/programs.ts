/** Programs of test/core/programs, in processes of their own. They use the package as it was built. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const FOLDER = new URL('../core/programs/', import.meta.url);

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Program {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** Starts a program with its input as JSON on standard input, which stays out of its arguments. */
export function start(name: string, input: unknown, flags: readonly string[] = []): Program {
  const path = fileURLToPath(new URL(name, FOLDER));
  const child = spawn(process.execPath, [...flags, path], { stdio: ['pipe', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...output }));
  });
  child.stdin.end(JSON.stringify(input));
  return { child, ended };
}

/** Runs a program to its end and returns what it printed. Throws unless it exits with 0. */
export async function run(name: string, input: unknown, flags: readonly string[] = []): Promise<string> {
  const { code, signal, stdout, stderr } = await start(name, input, flags).ended;
  if (code === 0) return stdout;
  throw new Error(`${name} ended with ${code ?? signal}: ${stderr}`);
}
