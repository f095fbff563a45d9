/** The public API of one repository: checks options, delegates to the engine, turns answers into records. */
import type { Readable } from 'node:stream';
import type { StorageBackend } from './backend.ts';
import { Bridge, type CallRequest, closed, type EngineProgress } from './bridge.ts';
import { PackvaultError } from './errors.ts';
import { Emitter, type RepositoryEvents, type Subscription } from './events.ts';
import { Keys } from './keys.ts';
import {
  checkItems,
  checkTags,
  engineOptions,
  initOptions,
  invalid,
  leastMemory,
  passphraseBytes,
  snapshotFilter,
  verifyOptions,
} from './options.ts';
import { Presence } from './presence.ts';
import { FileTarget } from './sources/target.ts';
import { openSource, RestoreStream } from './streams.ts';
import type {
  ByteSource,
  CallOptions,
  IngestItem,
  IngestOptions,
  InitOptions,
  LockInfo,
  RepairResult,
  RepositoryStats,
  RestoreOptions,
  RestoreToOptions,
  Snapshot,
  SnapshotFilter,
  SnapshotItem,
  VerifyError,
  VerifyOptions,
  VerifyResult,
  VerifyStats,
} from './types.ts';

/** How src/connect.ts opens a location. */
export interface Connection {
  readonly backend: StorageBackend;
  /** The defaults of local disk apply. */
  readonly local: boolean;
  /** Whether the repository disposes of the backend when it is closed. */
  readonly owned: boolean;
}

interface Config {
  readonly packSize: number;
  readonly chunking: { readonly max: number };
  readonly parity: { readonly parity: number } | null;
}

/** What the engine stores with a snapshot and users don't need. */
type StoredSnapshot = Omit<Snapshot, 'items'> & {
  readonly engine?: string;
  readonly features?: unknown;
  readonly items: readonly (SnapshotItem & { readonly kind?: number })[];
};

/** A repository that is open. Made by `init` and `open` of the package. */
export class OpenRepository implements AsyncDisposable {
  readonly #bridge: Bridge;
  readonly #connection: Connection;
  readonly #emitter = new Emitter();
  #closing: Promise<void> | undefined;
  /** Passphrases. */
  readonly keys: Keys;

  protected constructor(bridge: Bridge, connection: Connection) {
    this.#bridge = bridge;
    this.#connection = connection;
    this.keys = new Keys((request) => this.#call(request));
  }

  /** Runs init or open on a connection; the result is what the constructor takes. */
  protected static async begin(
    connection: Connection,
    verb: 'init' | 'open',
    options: InitOptions,
  ): Promise<readonly [Bridge, Connection]> {
    const engine = engineOptions(options);
    const { backend, local } = connection;
    const create = verb === 'init' ? initOptions(options, local, backend.capabilities.exclusiveCreate) : undefined;
    if (create !== undefined) checkMemory(create as unknown as Config, engine.memoryLimit);
    const secret = passphraseBytes(options.passphrase);
    const bridge = new Bridge(backend, engine);
    await bridge.start();
    try {
      const body = create === undefined ? {} : { options: create, label: 'first' };
      const config = await bridge.call<Config>({ verb, options: body, secret, share: 0, signal: options.signal });
      checkMemory(config, engine.memoryLimit);
    } catch (error) {
      await bridge.close();
      throw error;
    } finally {
      secret?.fill(0);
    }
    return [bridge, connection];
  }

  /**
   * Stores one stream as a snapshot. Resolves only when the snapshot is durable and no concurrent prune can have removed what it
   * needs. If the source fails, nothing becomes visible: UNAVAILABLE with the source's error as cause.
   */
  async ingest(source: ByteSource, options: IngestOptions = {}): Promise<Snapshot> {
    const { items = [{ name: 'data', type: 'stream' }] } = options;
    const [item] = items;
    if (items.length !== 1 || item === undefined)
      throw invalid('items of ingest names one stream; use ingestMulti for several.');
    return this.ingestMulti([{ stream: source, ...item }], options);
  }

  /** Stores all items in one snapshot, or no snapshot. INVALID_ARGUMENT for no items, or names that are empty or occur twice. */
  async ingestMulti(items: readonly IngestItem[], options: Omit<IngestOptions, 'items'> = {}): Promise<Snapshot> {
    checkItems(items);
    const tags = checkTags(options.tags ?? {});
    this.#refuseClosed();
    const snapshot = await this.#call<StoredSnapshot>({
      verb: 'ingest',
      options: {
        items: items.map(({ name, type }) => ({ name, type: type ?? 'stream' })),
        tags,
        sha256: options.sha256 ?? false,
      },
      share: 1 / 2,
      readers: items.map(({ stream, name }) => openSource(stream, name)),
      ...sampling(options),
    });
    this.#emitter.emit('ingest:complete', { snapshotId: snapshot.id, newChunks: snapshot.newChunks });
    return publicSnapshot(snapshot);
  }

  /**
   * Only verified bytes come out: the item's, or without `item` all items' one after the other. Damage is healed from parity where it
   * can be, else the stream is destroyed with CORRUPT. NOT_FOUND and INVALID_ARGUMENT reject at once.
   */
  async restore(snapshotId: string, options: RestoreOptions = {}): Promise<Readable> {
    const wanted = restoreRequest(snapshotId, options, true);
    const size = await this.#call<number>({ verb: 'size', options: wanted, share: 0, signal: options.signal });
    const stopped = new AbortController();
    const stream = new RestoreStream(() =>
      stopped.abort(new PackvaultError({ code: 'CLOSED', message: 'The reader stopped.' })),
    );
    const signals = options.signal === undefined ? [stopped.signal] : [stopped.signal, options.signal];
    const request = {
      verb: 'restore',
      options: wanted,
      share: 1 / 4,
      write: (_offset: number, bytes: Uint8Array) => stream.accept(bytes),
      ...sampling({ ...options, signal: AbortSignal.any(signals) }),
    };
    if (size === 0) stream.push(null);
    else {
      this.#call(request).then(
        () => stream.push(null),
        (error: unknown) => stream.destroy(error instanceof Error ? error : new Error(String(error))),
      );
    }
    return stream;
  }

  /**
   * Restores pack by pack, out of order, into a file: faster than a stream. It is written under a temporary name beside `path`, verified,
   * synced and renamed. ALREADY_EXISTS if `path` is there and `overwrite` is not set; then nothing is written.
   */
  async restoreTo(
    path: string,
    snapshotId: string,
    options: RestoreToOptions = {},
  ): Promise<{ bytes: number; healed: number }> {
    this.#refuseClosed();
    const wanted = restoreRequest(snapshotId, options, false);
    await this.#call<number>({ verb: 'size', options: wanted, share: 0, signal: options.signal });
    const target = await FileTarget.create(path, options.overwrite ?? false);
    try {
      const write = (offset: number, bytes: Uint8Array): Promise<void> => target.write(offset, bytes);
      const request = { verb: 'restore', options: wanted, share: 1 / 4, write, ...sampling(options) };
      const result = await this.#call<{ bytes: number; healed: number }>(request);
      await target.finish();
      return result;
    } catch (error) {
      await target.discard();
      throw error;
    }
  }

  /** Oldest first. A snapshot of which no copy can be read is left out; verify reports it. */
  async listSnapshots(filter: SnapshotFilter = {}): Promise<Snapshot[]> {
    const options = snapshotFilter(filter);
    const all = await this.#call<StoredSnapshot[]>({ verb: 'snapshots', options, share: 0, ...sampling(filter) });
    return all.map(publicSnapshot);
  }

  /** Like `listSnapshots`, one by one. */
  async *snapshots(filter: SnapshotFilter = {}): AsyncGenerator<Snapshot, void, undefined> {
    yield* await this.listSnapshots(filter);
  }

  /** `id`: whole, or a prefix that only one snapshot has, or `latest`. NOT_FOUND; INVALID_ARGUMENT if several have the prefix. */
  async getSnapshot(id: string, options: CallOptions = {}): Promise<Snapshot> {
    return publicSnapshot(
      await this.#call<StoredSnapshot>({ verb: 'snapshot', options: { id }, share: 0, ...sampling(options) }),
    );
  }

  /** Checks what is stored and changes nothing. A store that does not answer is an error, never a fault. */
  async verify(options: VerifyOptions = {}): Promise<VerifyResult> {
    const request = { verb: 'verify', options: verifyOptions(options), share: 1 / 4, ...sampling(options) };
    const { ok, errors, ...stats } = await this.#call<{ ok: boolean; errors: VerifyError[] } & VerifyStats>(request);
    return { ok, errors, stats };
  }

  /** Puts back second copies, finds lost idx, rebuilds packs and parity, withdraws what is lost beyond parity. */
  async repair(options: CallOptions = {}): Promise<RepairResult> {
    return this.#call<RepairResult>({ verb: 'repair', options: {}, share: 1 / 2, ...sampling(options) });
  }

  /** Writes idx anew for packs that snapshots need and no readable idx names. */
  async reindex(options: CallOptions = {}): Promise<void> {
    await this.#call<null>({ verb: 'reindex', options: {}, share: 1 / 4, ...sampling(options) });
  }

  /** Removes stale advisory entries, or all with `force`. No correctness rests on them. */
  async unlock(options: CallOptions & { readonly force?: boolean | undefined } = {}): Promise<void> {
    await this.#call<number>({
      verb: 'unlock',
      options: { force: options.force ?? false },
      share: 0,
      ...sampling(options),
    });
  }

  async stats(options: CallOptions = {}): Promise<RepositoryStats> {
    return this.#call<RepositoryStats>({ verb: 'stats', options: {}, share: 0, ...sampling(options) });
  }

  /** Who is at work, from the advisory entries. */
  async status(options: CallOptions = {}): Promise<LockInfo[]> {
    return this.#call<LockInfo[]>({ verb: 'status', options: {}, share: 0, ...sampling(options) });
  }

  on<K extends keyof RepositoryEvents>(event: K, handler: (payload: RepositoryEvents[K]) => void): Subscription {
    return this.#emitter.on(event, handler);
  }

  /** Aborts running calls with CLOSED, releases everything, wipes keys; idempotent. Calls after it: CLOSED. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#bridge.close();
    if (this.#connection.owned) await this.#connection.backend[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw closed();
  }

  async #call<T>(request: CallRequest & { readonly onProgress?: CallOptions['onProgress'] }): Promise<T> {
    const presence = request.share > 0 ? new Presence(this.#bridge, request.verb) : undefined;
    try {
      return await this.#bridge.call<T>({ ...request, sample: this.#sample(request.verb, request.onProgress) });
    } finally {
      await presence?.end();
    }
  }

  #sample(operation: string, onProgress: CallOptions['onProgress']): (progress: EngineProgress) => void {
    return (progress) => {
      const { phase, bytesDone, objectsDone } = progress;
      const message = `${phase}: ${bytesDone} bytes`;
      for (const event of progress.events) {
        if (event.type === 'healed') this.#emitter.emit('restore:healed', { pack: event.pack, bytes: event.bytes });
        else this.#emitter.emit('verify:error', event.fault as VerifyError);
      }
      if (operation === 'ingest') {
        this.#emitter.emit('ingest:progress', { operation, percentage: 0, message, bytesRead: bytesDone });
      }
      onProgress?.({
        operation,
        phase,
        bytesDone,
        objectsDone,
        message,
        ...(progress.bytesTotal > 0 && { bytesTotal: progress.bytesTotal }),
        ...(progress.objectsTotal > 0 && { objectsTotal: progress.objectsTotal }),
      });
    };
  }
}

function sampling(options: CallOptions): Pick<CallOptions, 'signal' | 'onProgress'> {
  return { signal: options.signal, onProgress: options.onProgress };
}

function checkMemory(config: Config, memoryLimit: number): void {
  const least = leastMemory(config);
  if (memoryLimit >= least) return;
  throw invalid(`memoryLimit is ${memoryLimit} bytes; this repository's packs and parity need ${least}.`);
}

function restoreRequest(snapshot: string, options: RestoreOptions, ordered: boolean): Record<string, unknown> {
  const { item, offset = 0, length } = options;
  if (typeof snapshot !== 'string' || snapshot === '') throw invalid('Give a snapshot id, or latest.');
  for (const [name, value] of Object.entries({ offset, length: length ?? 0 })) {
    if (!Number.isSafeInteger(value) || value < 0) throw invalid(`${name} must be a whole number of bytes.`);
  }
  return { snapshot, item: item ?? null, offset, length: length ?? null, ordered };
}

function publicSnapshot(stored: StoredSnapshot): Snapshot {
  const { engine: _engine, features: _features, items, ...rest } = stored;
  return { ...rest, items: items.map(({ kind: _kind, ...item }) => item) };
}
