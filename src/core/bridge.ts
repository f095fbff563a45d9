/** The engine asks, a backend answers: the operation queue's JavaScript side. */
import type { StorageBackend } from './backend.ts';
import { PackvaultError } from './errors.ts';
import { Admission, BlockPool } from './memory.ts';
import { decodeError, type Engine, loadAddon, type Operation } from './native.ts';
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

export type EngineEvent =
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
  /** Share of the memory limit; 0 for calls that move no data. */
  readonly share: number;
  readonly signal?: AbortSignal | undefined;
  /** Items to read. */
  readonly readers?: readonly ItemReader[] | undefined;
  /** Takes restored bytes; the block is the engine's again when it resolves. */
  readonly write?: ((offset: number, bytes: Uint8Array) => Promise<void>) | undefined;
  /** Sampled while the call runs, and once at its end. */
  readonly sample?: ((progress: EngineProgress) => void) | undefined;
}

interface Call {
  readonly request: CallRequest;
  readonly blocks: Map<number, Uint8Array>;
  readonly operations: Map<number, AbortController>;
  readonly errors: Map<number, unknown>;
  /** The last read: reads are performed one after the other. */
  reads: Promise<void>;
  readonly pending: Set<Promise<void>>;
}

/** Bytes that a call without a share may hold: records are small. */
const SMALL_SHARE = 16 << 20;
const SAMPLE_MS = 100;

/** Runs the engine's calls on one backend. */
export class Bridge {
  readonly #backend: StorageBackend;
  readonly #options: BridgeOptions;
  readonly #admission: Admission;
  readonly #pool = new BlockPool();
  readonly #calls = new Map<number, Call>();
  readonly #running = new Map<number, { readonly abort: AbortController; readonly done: Promise<unknown> }>();
  readonly #waiting: (() => void)[] = [];
  #inFlight = 0;
  #engine: Engine | undefined;
  #next = 1;
  #closed = false;

  constructor(backend: StorageBackend, options: BridgeOptions) {
    this.#backend = backend;
    this.#options = options;
    this.#admission = new Admission(options.memoryLimit);
  }

  /** Loads the addon and starts the engine's threads. */
  async start(): Promise<void> {
    const { Engine } = await loadAddon();
    this.#engine = new Engine(this.#options.threads, (operation) => this.#perform(operation));
  }

  /** Runs a verb. Rejects with `PackvaultError`, or with the signal's own reason. */
  async call<T>(request: CallRequest): Promise<T> {
    request.signal?.throwIfAborted();
    if (this.#closed || this.#engine === undefined) throw closed();
    const id = this.#next++;
    const abort = new AbortController();
    const follow = (): void => abort.abort(request.signal?.reason);
    request.signal?.addEventListener('abort', follow, { once: true });
    const done = this.#run<T>(this.#engine, id, request, abort.signal);
    this.#running.set(id, { abort, done });
    try {
      return await done;
    } finally {
      request.signal?.removeEventListener('abort', follow);
      this.#running.delete(id);
    }
  }

  async #run<T>(engine: Engine, id: number, request: CallRequest, signal: AbortSignal): Promise<T> {
    const memory = Math.floor(this.#options.memoryLimit * request.share);
    const leave = await this.#admission.enter(memory, signal);
    const call: Call = {
      request,
      blocks: new Map(),
      operations: new Map(),
      errors: new Map(),
      reads: Promise.resolve(),
      pending: new Set(),
    };
    this.#calls.set(id, call);
    const onAbort = (): void => engine.abort(id);
    signal.addEventListener('abort', onAbort, { once: true });
    const timer = this.#sampling(engine, id, request);
    try {
      const text = await engine.call(
        id,
        request.verb,
        JSON.stringify(request.options),
        request.secret,
        memory || SMALL_SHARE,
      );
      for (const block of call.blocks.values()) this.#pool.give(block);
      return JSON.parse(text) as T;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw decodeError(error, (operation) => call.errors.get(operation));
    } finally {
      clearInterval(timer);
      signal.removeEventListener('abort', onAbort);
      // Operations of an ended call are cancelled; their answers are waited for, so that nothing goes on behind the caller's back.
      for (const controller of call.operations.values()) controller.abort(closed());
      for (const reader of request.readers ?? []) reader.release();
      await Promise.allSettled(call.pending);
      const last = JSON.parse(engine.finish(id)) as EngineProgress | null;
      if (last !== null) request.sample?.(last);
      this.#calls.delete(id);
      leave();
    }
  }

  #sampling(engine: Engine, id: number, request: CallRequest): NodeJS.Timeout | undefined {
    const { sample } = request;
    if (sample === undefined) return undefined;
    return setInterval(() => {
      const progress = JSON.parse(engine.progress(id)) as EngineProgress | null;
      if (progress !== null) sample(progress);
    }, SAMPLE_MS).unref();
  }

  /** Stops admission, aborts running calls with CLOSED, waits for their answers, ends the engine. */
  async close(): Promise<void> {
    this.#closed = true;
    const running = [...this.#running.values()];
    for (const { abort } of running) abort.abort(closed());
    await Promise.allSettled(running.map(({ done }) => done));
    this.#engine?.close();
    this.#engine = undefined;
  }

  /** Called by the engine for each operation; never throws. */
  #perform(operation: Operation): void {
    const call = this.#calls.get(operation.call);
    if (operation.verb === 'cancel') {
      call?.operations.get(operation.id)?.abort(closed());
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
    if (operation.verb === 'block') {
      const block = this.#pool.take(operation.length);
      call.blocks.set(operation.id, block);
      this.#engine?.bytes(operation.id, block);
      return;
    }
    const controller = new AbortController();
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
    try {
      if (operation.verb === 'read') engine.text(operation.id, String(await this.#read(call, operation, signal)));
      else if (operation.verb === 'write') {
        await call.request.write?.(operation.offset, blockOf(call, operation).subarray(0, operation.length));
        engine.done(operation.id);
      } else await this.#store(engine, call, operation, signal);
    } catch (error) {
      call.errors.set(operation.id, error);
      // A block whose operation failed may still be read by somebody: it is not used again.
      call.blocks.delete(operation.block);
      const code = PackvaultError.is(error) ? error.code : 'INTERNAL';
      engine.failed(operation.id, code, error instanceof Error ? error.message : String(error));
    }
  }

  async #read(call: Call, operation: Operation, signal: AbortSignal): Promise<number> {
    const before = call.reads;
    const read = before.then(async () => {
      signal.throwIfAborted();
      const reader = call.request.readers?.[operation.limit];
      return reader === undefined ? 0 : reader.read(blockOf(call, operation));
    });
    call.reads = read.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await read;
    } catch (cause) {
      if (PackvaultError.is(cause) || signal.aborted) throw cause;
      throw new PackvaultError({
        code: 'UNAVAILABLE',
        retry: 'never',
        message: `The source failed: ${cause instanceof Error ? cause.message : String(cause)}. No snapshot was made; earlier backups are not touched.`,
        cause,
      });
    }
  }

  async #store(engine: Engine, call: Call, operation: Operation, signal: AbortSignal): Promise<void> {
    await this.#enter();
    try {
      signal.throwIfAborted();
      const answer = await perform(this.#backend, call, operation, signal);
      if (answer === undefined) engine.done(operation.id);
      else if (typeof answer === 'string') engine.text(operation.id, answer);
      else engine.bytes(operation.id, answer);
    } finally {
      this.#inFlight -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** Waits for leave to send one more operation to the store. */
  async #enter(): Promise<void> {
    if (this.#inFlight >= this.#options.concurrency) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#inFlight += 1;
  }
}

function blockOf(call: Call, operation: Operation): Uint8Array {
  const found = call.blocks.get(operation.block);
  if (found === undefined)
    throw new PackvaultError({ code: 'INTERNAL', message: 'An operation names a block that is gone.' });
  return found;
}

/** One operation on the store: nothing, bytes, or JSON. */
async function perform(
  backend: StorageBackend,
  call: Call,
  operation: Operation,
  signal: AbortSignal,
): Promise<Uint8Array | string | undefined> {
  const { key } = operation;
  switch (operation.verb) {
    case 'put': {
      const sha256 = operation.sha256 === '' ? undefined : Buffer.from(operation.sha256, 'hex');
      const body = blockOf(call, operation).subarray(0, operation.length);
      await backend.put(key, body, { mode: operation.create ? 'create' : 'overwrite', sha256, signal });
      return undefined;
    }
    case 'get':
      if (operation.length < 0) return backend.get(key, { maxBytes: operation.limit, signal });
      return backend.get(key, { offset: operation.offset, length: operation.length, signal });
    case 'stat':
      return JSON.stringify(info(await backend.stat(key, { signal })));
    case 'list':
      return JSON.stringify(await page(backend, operation, signal));
    case 'delete':
      for (let at = 0; at < operation.keys.length; at += backend.capabilities.maxDeleteBatch) {
        await backend.delete(operation.keys.slice(at, at + backend.capabilities.maxDeleteBatch), { signal });
      }
      return undefined;
    default:
      throw new PackvaultError({ code: 'INTERNAL', message: `There is no operation ${operation.verb}.` });
  }
}

interface Info {
  readonly key: string;
  readonly size: number;
  readonly modifiedMs: number;
}

function info(object: { readonly key: string; readonly size: number; readonly modifiedAt: Date }): Info {
  return { key: object.key, size: object.size, modifiedMs: Math.trunc(object.modifiedAt.getTime()) };
}

async function page(backend: StorageBackend, operation: Operation, signal: AbortSignal): Promise<Info[]> {
  const objects: Info[] = [];
  const after = operation.after === '' ? {} : { startAfter: operation.after };
  for await (const object of backend.list(operation.key, { ...after, signal })) {
    objects.push(info(object));
    if (objects.length >= operation.limit) break;
  }
  return objects;
}

/** CLOSED. */
export function closed(): PackvaultError {
  return new PackvaultError({
    code: 'CLOSED',
    message: 'The repository is closed. What was stored before is not harmed.',
  });
}
