/** The engine asks, a backend answers: the operation queue's JavaScript side. */
import { setMaxListeners } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { StorageBackend } from './backend.ts';
import { PackvaultError } from './errors.ts';
import { BlockPool, Budget, type Needs, type Purpose } from './memory.ts';
import { decodeError, type Engine, loadAddon, type Operation } from './native.ts';
import { perform } from './operations.ts';
import { Memory, type SeenRounds } from './seen.ts';
import { onAbort } from './signals.ts';
import { Slots } from './slots.ts';
import type { ItemReader } from './streams.ts';

/** What the engine tells of a running call. */
export interface EngineProgress {
  readonly phase: string;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly objectsDone: number;
  readonly objectsTotal: number;
  readonly events: readonly EngineEvent[];
}

type EngineEvent =
  | { readonly type: 'healed'; readonly pack: string; readonly bytes: number }
  | { readonly type: 'fault'; readonly fault: unknown };

export interface BridgeOptions {
  readonly threads: number;
  /** Bytes. */
  readonly memoryLimit: number;
  /** Store operations in flight. */
  readonly concurrency: number;
}

/** One call of a verb. */
export interface CallRequest {
  readonly verb: string;
  readonly options: unknown;
  readonly secret?: Uint8Array | undefined;
  readonly purpose: Purpose;
  /** Reads what the store has now, past any cache. */
  readonly direct?: boolean | undefined;
  /** Keeps what it reads of packs near: for calls that read the same few parts each time. */
  readonly keeps?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Items to read. They are released when the call ends, however it ends. */
  readonly readers?: readonly ItemReader[] | undefined;
  /** Takes restored bytes; the block is the engine's again when it settles. The signal says that nobody waits for it any more. */
  readonly write?: ((offset: number, bytes: Uint8Array, signal: AbortSignal) => Promise<void>) | undefined;
  /** Sampled while the call runs, and once at its end. */
  readonly sample?: ((progress: EngineProgress) => void) | undefined;
}

interface Call {
  readonly request: CallRequest;
  readonly signal: AbortSignal;
  readonly blocks: Map<number, Uint8Array>;
  readonly operations: Map<number, AbortController>;
  /** Newest errors of operations: one of them may be the cause of the call's. */
  readonly errors: Map<number, unknown>;
  /** The last read: reads are performed one after the other. */
  reads: Promise<void>;
  readonly pending: Set<Promise<void>>;
}

const SAMPLE_MS = 100;
const ERRORS_KEPT = 256;

/** One store: by way of its cache, if it has one; by way of one that keeps parts of packs, too; and directly. */
export interface Stores {
  readonly backend: StorageBackend;
  readonly keeping: StorageBackend;
  readonly direct: StorageBackend;
}

/** Runs the engine's calls on one store. */
export class Bridge {
  readonly #stores: Stores;
  readonly #threads: number;
  readonly #budget: Budget;
  readonly #slots: Slots;
  readonly #pool = new BlockPool();
  readonly #calls = new Map<number, Call>();
  readonly #running = new Map<number, { readonly abort: AbortController; readonly done: Promise<unknown> }>();
  #engine: Engine | undefined;
  #memory: Memory | undefined;
  #next = 1;
  #closed = false;

  constructor(stores: Stores, options: BridgeOptions) {
    this.#stores = stores;
    this.#threads = options.threads;
    this.#budget = new Budget(options.memoryLimit);
    this.#slots = new Slots(options.concurrency);
  }

  /** Loads the addon and starts the engine's threads. */
  async start(): Promise<void> {
    const { Engine } = await loadAddon();
    this.#engine = new Engine(this.#threads, (operation) => this.#perform(operation));
  }

  /** Says where it is kept what this client has seen of the repository that is open. */
  remember(rounds: SeenRounds): void {
    this.#memory = new Memory(rounds);
  }

  /** Says how much memory the repository's shape asks for. */
  expect(needs: Needs): void {
    this.#budget.expect(needs);
  }

  /** Throws INVALID_ARGUMENT if the memory limit is too low for calls of this kind. */
  checkMemory(purpose: Purpose): void {
    this.#budget.check(purpose);
  }

  /** Runs a verb. Rejects with `PackvaultError`, or with the signal's own reason. */
  async call<T>(request: CallRequest): Promise<T> {
    request.signal?.throwIfAborted();
    if (this.#closed || this.#engine === undefined) throw closed();
    const id = this.#next++;
    const abort = new AbortController();
    const unfollow = onAbort(request.signal, () => abort.abort(request.signal?.reason));
    const done = this.#run<T>(this.#engine, id, request, abort.signal);
    this.#running.set(id, { abort, done });
    try {
      return await done;
    } finally {
      unfollow();
      this.#running.delete(id);
    }
  }

  async #run<T>(engine: Engine, id: number, request: CallRequest, signal: AbortSignal): Promise<T> {
    const call: Call = {
      request,
      signal,
      blocks: new Map(),
      operations: new Map(),
      errors: new Map(),
      reads: Promise.resolve(),
      pending: new Set(),
    };
    try {
      const lease = await this.#budget.enter(request.purpose, signal);
      try {
        return await this.#admitted<T>(engine, id, call, lease.bytes);
      } finally {
        lease.leave();
      }
    } finally {
      for (const reader of request.readers ?? []) reader.release();
    }
  }

  async #admitted<T>(engine: Engine, id: number, call: Call, memory: number): Promise<T> {
    const { request, signal } = call;
    this.#calls.set(id, call);
    const callOff = (): void => {
      engine.abort(id);
      // Now and not when the engine says so: its threads may be at work for a while.
      for (const controller of call.operations.values()) controller.abort(signal.reason);
    };
    signal.addEventListener('abort', callOff, { once: true });
    const timer = sampling(engine, id, request);
    let whole = false;
    try {
      signal.throwIfAborted();
      const options = JSON.stringify(request.options);
      await this.#memory?.before(engine);
      signal.throwIfAborted();
      const text = await engine.call({ call: id, verb: request.verb, options, memory }, request.secret);
      whole = true;
      return JSON.parse(text) as T;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw decodeError(error, (operation) => call.errors.get(operation));
    } finally {
      clearInterval(timer);
      signal.removeEventListener('abort', callOff);
      // What an ended call still has under way is of no use to anybody. The answers are waited for.
      for (const controller of call.operations.values()) controller.abort(ended());
      await Promise.allSettled(call.pending);
      await this.#memory?.after(engine);
      sample(request, engine.finish(id));
      this.#calls.delete(id);
      // Only now is nobody left who writes to them; and after a failure, workers may be.
      if (whole) for (const block of call.blocks.values()) this.#pool.give(block);
    }
  }

  /** Stops admission, aborts running calls with CLOSED, waits for their answers, ends the engine. */
  async close(): Promise<void> {
    this.#closed = true;
    const running = [...this.#running.values()];
    for (const { abort } of running) abort.abort(closed());
    await Promise.allSettled(running.map(({ done }) => done));
    this.#engine?.close();
    this.#engine = undefined;
    this.#pool.clear();
  }

  /** Called by the engine for each operation; never throws. */
  #perform(operation: Operation): void {
    const call = this.#calls.get(operation.call);
    if (operation.verb === 'cancel') {
      call?.operations.get(operation.id)?.abort(call.signal.reason ?? ended());
      return;
    }
    if (operation.verb === 'forget') {
      call?.blocks.delete(operation.block);
      return;
    }
    if (call === undefined) {
      this.#engine?.failed(operation.id, 'CLOSED', 'The call has ended.');
      return;
    }
    const controller = new AbortController();
    // A store may make many requests at once for one operation, and Node would warn of a leak at the eleventh.
    setMaxListeners(Number.MAX_SAFE_INTEGER, controller.signal);
    if (call.signal.aborted) controller.abort(call.signal.reason);
    call.operations.set(operation.id, controller);
    const work = this.#answer(call, operation, controller.signal).finally(() => {
      call.operations.delete(operation.id);
      call.pending.delete(work);
    });
    call.pending.add(work);
  }

  async #answer(call: Call, operation: Operation, signal: AbortSignal): Promise<void> {
    const engine = this.#engine;
    if (engine === undefined) return;
    const { id, verb } = operation;
    try {
      if (verb === 'block') engine.bytes(id, this.#lend(call, operation));
      else if (verb === 'read') engine.text(id, String(await read(call, operation, signal)));
      else if (verb === 'write') {
        await write(call, operation, signal);
        engine.done(id);
      } else if (verb === 'sleep') {
        await setTimeout(operation.length, undefined, { signal });
        engine.done(id);
      } else await this.#store(engine, call, operation, signal);
    } catch (error) {
      if (call.errors.size >= ERRORS_KEPT) call.errors.delete(call.errors.keys().next().value ?? 0);
      call.errors.set(id, error);
      // A block whose operation failed may still be read by somebody: it is not used again.
      call.blocks.delete(operation.block);
      const code = PackvaultError.is(error) ? error.code : 'INTERNAL';
      engine.failed(id, code, error instanceof Error ? error.message : String(error));
    }
  }

  #lend(call: Call, operation: Operation): Uint8Array {
    const block = this.#pool.take(operation.length);
    call.blocks.set(operation.id, block);
    return block;
  }

  #storeOf({ direct, keeps }: CallRequest): StorageBackend {
    if (direct === true) return this.#stores.direct;
    return keeps === true ? this.#stores.keeping : this.#stores.backend;
  }

  async #store(engine: Engine, call: Call, operation: Operation, signal: AbortSignal): Promise<void> {
    await this.#slots.enter(signal);
    try {
      const body = operation.verb === 'put' ? blockOf(call, operation).subarray(0, operation.length) : undefined;
      const answer = await perform(this.#storeOf(call.request), operation, body, signal);
      if (answer === undefined) engine.done(operation.id);
      else if (typeof answer === 'string') engine.text(operation.id, answer);
      else engine.bytes(operation.id, answer);
    } finally {
      this.#slots.leave();
    }
  }
}

function blockOf(call: Call, operation: Operation): Uint8Array {
  const found = call.blocks.get(operation.block);
  if (found !== undefined) return found;
  throw new PackvaultError({ code: 'INTERNAL', message: 'An operation names a block that is gone.' });
}

async function read(call: Call, operation: Operation, signal: AbortSignal): Promise<number> {
  const block = blockOf(call, operation);
  const work = call.reads.then(async () => {
    signal.throwIfAborted();
    return (await call.request.readers?.[operation.limit]?.read(block)) ?? 0;
  });
  call.reads = work.then(
    () => undefined,
    () => undefined,
  );
  try {
    return await untilAborted(work, signal);
  } catch (cause) {
    if (signal.aborted || (PackvaultError.is(cause) && cause.code === 'INVALID_ARGUMENT')) throw cause;
    throw new PackvaultError({
      code: 'UNAVAILABLE',
      retry: 'never',
      message: `The source failed: ${cause instanceof Error ? cause.message : String(cause)}. No snapshot was made; earlier backups are not touched. Run the backup again with a new source.`,
      cause,
    });
  }
}

async function write(call: Call, operation: Operation, signal: AbortSignal): Promise<void> {
  const { offset, limit: from, length } = operation;
  await call.request.write?.(offset, blockOf(call, operation).subarray(from, from + length), signal);
}

/** As `work`, but no longer than until an abort: a source that gives nothing must not hold a call. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason as Error);
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}

function sampling(engine: Engine, id: number, request: CallRequest): NodeJS.Timeout | undefined {
  if (request.sample === undefined) return undefined;
  return setInterval(() => sample(request, engine.progress(id)), SAMPLE_MS).unref();
}

/** Tells the caller how far a call is. What the caller throws then is thrown on its own: the call goes on. */
function sample(request: CallRequest, text: string): void {
  try {
    const progress = JSON.parse(text) as EngineProgress | null;
    if (progress !== null) request.sample?.(progress);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** CLOSED. */
export function closed(): PackvaultError {
  return new PackvaultError({
    code: 'CLOSED',
    message: 'The repository is closed. What was stored before is not harmed. Open it again.',
  });
}

function ended(): PackvaultError {
  return new PackvaultError({ code: 'CLOSED', message: 'The call that asked for this has ended.' });
}
