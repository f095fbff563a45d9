/** A store in a process of its own: what it does there, and the end of the line that orders it. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import type { PutOptions, StorageBackend } from '../core/backend.ts';
import { bytesOf, turnsOfEventLoop } from './expect.ts';
import { type Outcome, type Round, race } from './race.ts';

/** A put of `bytesOf(seed, size)`, in the middle of which the process ends. */
export interface LastPut {
  readonly key: string;
  readonly seed: number;
  readonly size: number;
  readonly mode: PutOptions['mode'];
  /** How long the put has, in turns of the event loop. */
  readonly turns: number;
}

type Order = { readonly race: Round } | { readonly lastPut: LastPut };
type Answer = { readonly outcomes: Outcome[] } | { readonly begun: true } | { readonly failed: string };

/**
 * Makes this process do what a test orders, until the test ends it. For a program that Node runs as it stands, whose URL is the
 * `spawnable` of a `StoreFactory`. `open` gets the `address` of the place.
 */
export async function serveStore(open: (address: string) => StorageBackend | Promise<StorageBackend>): Promise<void> {
  const store = await open(process.argv[2] ?? '');
  process.on('message', (order: Order) => {
    obey(store, order).catch((error: unknown) => {
      send({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    });
  });
  await new Promise<void>((resolve) => {
    process.once('disconnect', resolve);
    send({ begun: true });
  });
  await store[Symbol.asyncDispose]();
}

function send(answer: Answer): void {
  process.send?.(answer);
}

async function obey(store: StorageBackend, order: Order): Promise<void> {
  if ('race' in order) {
    send({ outcomes: await race([store], order.race) });
    return;
  }
  const { key, seed, size, mode, turns } = order.lastPut;
  // An error changes nothing: what is stored by then is all or nothing too.
  store.put(key, bytesOf(seed, size), { mode }).catch(() => undefined);
  await turnsOfEventLoop(turns);
  process.kill(process.pid, 'SIGKILL');
}

/** The other end: a process that runs the program `spawnable`. It takes one order at a time. */
export class StoreProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once('exit', () => resolve());
    });
  }

  static async start(program: URL, address: string): Promise<StoreProcess> {
    // Without what this process was started with: a test runner's options are not the program's.
    const child = fork(program, [address], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const started = new StoreProcess(child);
    assert.ok('begun' in (await started.#answer()), 'the program began to serve');
    return started;
  }

  async race(round: Round): Promise<Outcome[]> {
    const answer = this.#answer();
    this.#child.send({ race: round } satisfies Order);
    const outcomes = await answer;
    assert.ok('outcomes' in outcomes);
    return outcomes.outcomes;
  }

  /** Begins a put and kills itself, as a power failure would but for the disk. Resolves when the process is gone. */
  async die(lastPut: LastPut): Promise<void> {
    this.#child.send({ lastPut } satisfies Order);
    await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#exited;
  }

  async #answer(): Promise<Answer> {
    const child = this.#child;
    const answer = await new Promise<Answer>((resolve, reject) => {
      const exited = (): void => reject(new Error('the program of `spawnable` ended before it answered'));
      child.once('exit', exited);
      child.once('message', (message: Answer) => {
        child.off('exit', exited);
        resolve(message);
      });
    });
    if ('failed' in answer) throw new Error(`in the program of \`spawnable\`: ${answer.failed}`);
    return answer;
  }
}
