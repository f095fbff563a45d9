/** A server as a child process: on a free port of the loopback, its data in a temporary folder. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { binaryOf } from './obtain.mjs';
import { remedyFor } from './pins.mjs';
import { signalTree } from './tree.mjs';

export const HOST = '127.0.0.1';
const READY_WITHIN_MS = 60_000;
const POLL_MS = 20;
const PORTS_TO_TRY = 5;
// A server that ignores SIGTERM for so long gets SIGKILL.
const STOP_WITHIN_MS = 10_000;

let guardInput;

/** Tells the guard what to clear away should this process die (`+`), or that it needn't any more (`-`). */
function tellGuard(sign, entry) {
  if (guardInput === undefined) {
    const path = fileURLToPath(new URL('guard.mjs', import.meta.url));
    // A group of its own, so that Ctrl-C doesn't reach it.
    const guard = spawn(process.execPath, [path], { detached: true, stdio: ['pipe', 'ignore', 'inherit'] });
    guard.unref();
    guardInput = guard.stdin;
    guardInput.unref();
    guardInput.on('error', () => undefined);
  }
  guardInput.write(`${sign}${JSON.stringify(entry)}\n`);
}

function isRunning(child) {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

/** A command line, split at the blanks of the template; what is filled in may hold blanks. */
export function words(strings, ...values) {
  const parts = strings.flatMap((text, index) => [
    ...text.split(/(\s+)/).map((part) => (/^\s+$/.test(part) ? undefined : part)),
    ...(index < values.length ? [String(values[index])] : []),
  ]);
  const line = [''];
  for (const part of parts) {
    if (part === undefined) line.push('');
    else line[line.length - 1] += part;
  }
  return line.filter((word) => word !== '');
}

/** A port that was free a moment ago. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, HOST, () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** Whether an HTTP request is answered with 200. */
export async function answers(url) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}

/**
 * How to run a server: `command(binary, port, folder)` is the command line, `env` its environment, `ready(port)` resolves with
 * whether it serves, `prepare(folder)` makes what it needs before the first start.
 */
export class Server {
  #recipe;
  #binary;
  #child;
  #exit;

  constructor(recipe) {
    this.#recipe = recipe;
    this.name = recipe.name;
    this.host = HOST;
    this.#binary = binaryOf(recipe.name);
    if (this.#binary === undefined) throw new Error(`${recipe.name} is not there: ${remedyFor(recipe.name)}`);
    this.folder = mkdtempSync(join(tmpdir(), `packvault-${recipe.name}-`));
    this.data = join(this.folder, 'data');
    mkdirSync(this.data);
    tellGuard('+', { folder: this.folder });
  }

  /** Starts it on a free port. A port that somebody else takes first costs a try. */
  async start() {
    try {
      await this.#recipe.prepare?.(this.folder);
      for (let attempt = 1; ; attempt += 1) {
        this.port = await freePort();
        this.url = `http://${HOST}:${this.port}`;
        const failure = await this.#launch();
        if (failure === undefined) return this;
        if (attempt === PORTS_TO_TRY) throw failure;
      }
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  get pid() {
    return this.#child?.pid;
  }

  async stop() {
    await this.#end('SIGTERM');
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    tellGuard('-', { folder: this.folder });
  }

  async kill9() {
    await this.#end('SIGKILL');
  }

  async restart() {
    await this.#end('SIGTERM');
    for (let attempt = 1; ; attempt += 1) {
      const failure = await this.#launch();
      if (failure === undefined) return;
      if (attempt === PORTS_TO_TRY) throw failure;
    }
  }

  pause() {
    signalTree(this.pid, 'SIGSTOP');
  }

  resume() {
    signalTree(this.pid, 'SIGCONT');
  }

  async [Symbol.asyncDispose]() {
    await this.stop();
  }

  /** What it wrote to its standard output and error. */
  log() {
    return readFileSync(this.#logPath, 'utf8');
  }

  get #logPath() {
    return join(this.folder, 'log');
  }

  /** Why it didn't come up; `undefined` when it serves. */
  async #launch() {
    const { command, env = {}, ready } = this.#recipe;
    const [program, ...args] = command(this.#binary, this.port, this.folder);
    const log = openSync(this.#logPath, 'a');
    // A home of its own: no server shall read or write what the user has.
    const home = { HOME: this.folder, TMPDIR: this.folder };
    const child = spawn(program, args, { env: { ...process.env, ...home, ...env }, stdio: ['ignore', log, log] });
    closeSync(log);
    child.unref();
    this.#child = child;
    this.#exit = new Promise((resolve) => {
      child.once('error', (error) => resolve(`it could not be started: ${error.message}`));
      child.once('exit', (code, signal) => {
        tellGuard('-', { pid: child.pid });
        resolve(`it ended (${signal ?? `exit code ${code}`})`);
      });
    });
    if (child.pid !== undefined) tellGuard('+', { pid: child.pid });
    const outcome = await Promise.race([this.#exit, this.#becomesReady(ready)]);
    if (outcome === 'ready') return undefined;
    const failure = new Error(`${this.name} doesn't serve: ${outcome}\n${this.log().slice(-2_000)}`);
    await this.#end('SIGKILL');
    return failure;
  }

  async #becomesReady(ready) {
    const deadline = Date.now() + READY_WITHIN_MS;
    const child = this.#child;
    while (Date.now() < deadline && isRunning(child)) {
      if (await ready(this.port)) return 'ready';
      await wait(POLL_MS);
    }
    return `not ready after ${READY_WITHIN_MS / 1_000} s`;
  }

  /** Ends the process and its descendants, if it runs. The data stay. */
  async #end(signal) {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || !isRunning(child)) return;
    const gone = this.#exit;
    child.ref();
    signalTree(child.pid, signal);
    // One that was paused hears SIGTERM only now.
    signalTree(child.pid, 'SIGCONT');
    const late = setTimeout(() => signalTree(child.pid, 'SIGKILL'), STOP_WITHIN_MS);
    await gone;
    clearTimeout(late);
  }
}
