/** The public API of one repository: checks options, delegates to the engine, turns answers into records. */
import type { Readable } from 'node:stream';
import type { StorageBackend } from './backend.ts';
import { Bridge, type CallRequest, closed, type Stores } from './bridge.ts';
import { PackvaultError } from './errors.ts';
import { Emitter, type RepositoryEvents, type Subscription } from './events.ts';
import { Keys } from './keys.ts';
import {
  checkItems,
  checkTags,
  engineOptions,
  initOptions,
  invalid,
  needs,
  passphraseBytes,
  snapshotFilter,
  verifyOptions,
} from './options.ts';
import { Presence } from './presence.ts';
import { probe, refuseUnusable } from './probe.ts';
import { sampler, sampling, waiting } from './progress.ts';
import { pruneRequest } from './retention.ts';
import { FileTarget } from './sources/target.ts';
import type { SeenRounds } from './seen.ts';
import { type Accept, openSource, RestoreStream } from './streams.ts';
import type {
  ByteSource,
  CallOptions,
  IngestItem,
  IngestOptions,
  InitOptions,
  LockInfo,
  PruneOptions,
  PruneResult,
  RepairResult,
  RepositoryStats,
  RestoreOptions,
  RestoreToOptions,
  RetentionPolicy,
  Snapshot,
  SnapshotFilter,
  SnapshotItem,
  VerifyError,
  VerifyOptions,
  VerifyResult,
  VerifyStats,
} from './types.ts';

/** How src/connect.ts opens a location. */
export interface Connection extends Stores {
  /** Who hears of attempts that are repeated. */
  readonly retries: { listener: ((event: RepositoryEvents['backend:retry']) => void) | undefined };
  /** The defaults of local disk apply. */
  readonly local: boolean;
  /** Where it is kept what this client has seen of a repository there. */
  readonly seen?: ((repository: string, epoch: number) => SeenRounds) | undefined;
  /** Whether the repository disposes of the backend when it is closed. */
  readonly owned: boolean;
}

interface Config {
  readonly id: string;
  readonly epoch: number;
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
  readonly #presences = new Set<Presence>();
  #closing: Promise<void> | undefined;
  /** Passphrases. */
  readonly keys: Keys;

  protected constructor(bridge: Bridge, connection: Connection) {
    this.#bridge = bridge;
    this.#connection = connection;
    connection.retries.listener = (event) => this.#emitter.emit('backend:retry', event);
    this.keys = new Keys((request, options) => this.#call({ ...request, ...sampling(options) }));
  }

  /** Runs init or open on a connection; the result is what the constructor takes. */
  protected static async begin(
    connection: Connection,
    verb: 'init' | 'open',
    options: InitOptions,
  ): Promise<readonly [Bridge, Connection]> {
    const bridge = new Bridge(connection, engineOptions(options));
    const chosen = verb === 'init' ? initOptions(options, connection.local) : undefined;
    if (chosen !== undefined) {
      bridge.expect(needs(chosen as unknown as Config));
      bridge.checkMemory('write');
    }
    connection.retries.listener = (event) => waiting(verb, event, options.onProgress);
    const secret = passphraseBytes(options.passphrase);
    try {
      const create = chosen && { ...chosen, exclusiveCreate: await canArbitrate(connection, options.signal) };
      await bridge.start();
      const body = create === undefined ? {} : { options: create, label: 'first' };
      const sample = sampler(new Emitter(), verb, options.onProgress);
      const call = { verb, options: body, secret, purpose: 'small', signal: options.signal, sample } as const;
      const config = await bridge.call<Config>(call);
      bridge.expect(needs(config));
      const seen = connection.seen?.(config.id, config.epoch);
      if (seen !== undefined) bridge.remember(seen);
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
   * needs. If the source fails, nothing becomes visible: UNAVAILABLE with the source's error as cause. Once the call has begun, it
   * destroys a stream that it doesn't read to the end; a FileHandle is read from its position and stays open. Two ingests of a
   * repository run at once within the default memory limit; more wait, with their sources untouched. One that takes longer than five
   * minutes holds what it relies on, so that it goes on beside prunes; CONFLICT if it stood still for so long that one removed that.
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
      purpose: 'write',
      readers: items.map(({ stream, name }) => openSource(stream, name)),
      ...sampling(options),
    });
    this.#emitter.emit('ingest:complete', { snapshotId: snapshot.id, newChunks: snapshot.newChunks });
    return publicSnapshot(snapshot);
  }

  /**
   * Only verified bytes come out: the item's, or without `item` all items' one after the other. Damage is healed from parity where it
   * can be, else the stream is destroyed with CORRUPT. NOT_FOUND and INVALID_ARGUMENT reject at once. It begins with the first read;
   * from then on the stream holds memory until it ends or is destroyed, and a fifth one may wait for that. A prune that forgets the
   * snapshot meanwhile does no harm where the store lets this client put a hold; elsewhere the stream ends with CONFLICT.
   */
  async restore(snapshotId: string, options: RestoreOptions = {}): Promise<Readable> {
    const wanted = restoreRequest(snapshotId, options, true);
    const size = await this.#call<number>({ verb: 'size', options: wanted, purpose: 'small', signal: options.signal });
    options.signal?.throwIfAborted();
    const run = async (accept: Accept, signal: AbortSignal): Promise<void> => {
      if (size === 0) return;
      const write = (_offset: number, bytes: Uint8Array, ended: AbortSignal): Promise<void> => accept(bytes, ended);
      const { onProgress } = options;
      await this.#call<unknown>({ verb: 'restore', options: wanted, purpose: 'restore', write, signal, onProgress });
    };
    return new RestoreStream(run, options.signal);
  }

  /**
   * Restores pack by pack, out of order, into a file: faster than a stream. It is written under a temporary name beside `path`, verified,
   * synced and renamed. ALREADY_EXISTS if `path` is there and `overwrite` is not set, INVALID_ARGUMENT if it is no regular file; then
   * nothing is written. `healed`: bytes that parity made good.
   */
  async restoreTo(
    path: string,
    snapshotId: string,
    options: RestoreToOptions = {},
  ): Promise<{ bytes: number; healed: number }> {
    this.#refuseClosed();
    const wanted = restoreRequest(snapshotId, options, false);
    await this.#call<number>({ verb: 'size', options: wanted, purpose: 'small', signal: options.signal });
    const target = await FileTarget.create(path, options.overwrite ?? false);
    try {
      const write = (offset: number, bytes: Uint8Array): Promise<void> => target.write(offset, bytes);
      const request = { verb: 'restore', options: wanted, purpose: 'restore', write, ...sampling(options) } as const;
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
    const all = await this.#call<StoredSnapshot[]>({
      verb: 'snapshots',
      options,
      purpose: 'small',
      ...sampling(filter),
    });
    return all.map(publicSnapshot);
  }

  /** Like `listSnapshots`, one by one. */
  async *snapshots(filter: SnapshotFilter = {}): AsyncGenerator<Snapshot, void, undefined> {
    yield* await this.listSnapshots(filter);
  }

  /** `id`: whole, or a prefix that only one snapshot has, or `latest`. NOT_FOUND; INVALID_ARGUMENT if several have the prefix. */
  async getSnapshot(id: string, options: CallOptions = {}): Promise<Snapshot> {
    return publicSnapshot(
      await this.#call<StoredSnapshot>({ verb: 'snapshot', options: { id }, purpose: 'small', ...sampling(options) }),
    );
  }

  /**
   * Checks what is stored and changes nothing. A store that does not answer is an error, never a fault. `quick` takes small objects
   * that the store lists, and lists of chunks, from the cache, if there is one; the other levels read what the store has. What prunes
   * beside it remove is no fault; CONFLICT if they come again and again.
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyResult> {
    const request = {
      verb: 'verify',
      direct: options.level !== 'quick',
      keeps: true,
      options: verifyOptions(options),
      purpose: 'verify',
      ...sampling(options),
    } as const;
    const { ok, errors, ...stats } = await this.#call<{ ok: boolean; errors: VerifyError[] } & VerifyStats>(request);
    return { ok, errors, stats };
  }

  /** Puts back second copies, finds lost idx, rebuilds packs and parity, withdraws what is lost beyond parity. */
  async repair(options: CallOptions = {}): Promise<RepairResult> {
    return this.#call<RepairResult>({
      verb: 'repair',
      direct: true,
      options: {},
      purpose: 'write',
      ...sampling(options),
    });
  }

  /** Writes idx anew for packs that snapshots need and no readable idx names. */
  async reindex(options: CallOptions = {}): Promise<void> {
    await this.#call<null>({ verb: 'reindex', direct: true, options: {}, purpose: 'verify', ...sampling(options) });
  }

  /**
   * Removes the snapshots that `policy` does not keep, and whatever nothing needs any more. Other processes may back up, restore and prune meanwhile;
   * nobody waits for anybody. A bare `true` is a dry run, which gives the same figures and writes nothing. INVALID_ARGUMENT for a policy that keeps
   * nothing; CORRUPT, with nothing deleted, where something can't be read; PERMISSION_DENIED if deleting is not allowed: the decision then stands, and
   * the next prune that may delete carries it out; LOCKED, once per call, on a store that can't arbitrate, unless `soleMaintainer` is set.
   */
  async prune(policy: RetentionPolicy, options: boolean | PruneOptions = {}): Promise<PruneResult> {
    const given = typeof options === 'boolean' ? { dryRun: options } : options;
    const request = {
      verb: 'prune',
      options: pruneRequest(policy, given),
      purpose: 'write',
      ...sampling(given),
    } as const;
    return this.#call<PruneResult>(request);
  }

  /** Removes these snapshots, as `prune` does: whole ids, prefixes that only one has, or `latest`. NOT_FOUND for an unknown one; then none is removed. */
  async forget(snapshotIds: readonly string[], options: Omit<PruneOptions, 'timeZone'> = {}): Promise<PruneResult> {
    if (!Array.isArray(snapshotIds)) throw invalid('forget takes a list of snapshot ids. Nothing was removed.');
    const request = { ids: snapshotIds, ...pruneRequest(undefined, options) };
    return this.#call<PruneResult>({ verb: 'forget', options: request, purpose: 'write', ...sampling(options) });
  }

  /** Removes stale advisory entries, or all with `force`. No correctness rests on them. */
  async unlock(options: CallOptions & { readonly force?: boolean | undefined } = {}): Promise<void> {
    await this.#call<number>({
      verb: 'unlock',
      options: { force: options.force ?? false },
      purpose: 'small',
      ...sampling(options),
    });
  }

  async stats(options: CallOptions = {}): Promise<RepositoryStats> {
    return this.#call<RepositoryStats>({ verb: 'stats', options: {}, purpose: 'small', ...sampling(options) });
  }

  /** Who is at work, from the advisory entries. */
  async status(options: CallOptions = {}): Promise<LockInfo[]> {
    return this.#call<LockInfo[]>({ verb: 'status', options: {}, purpose: 'small', ...sampling(options) });
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
    // While the store can still be asked; the calls themselves end with the bridge.
    await Promise.all([...this.#presences].map((presence) => presence.end()));
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
    this.#refuseClosed();
    const sample = sampler(this.#emitter, request.verb, request.onProgress);
    if (request.purpose === 'small') return this.#bridge.call<T>({ ...request, sample });
    const presence = new Presence(this.#bridge, request.verb);
    this.#presences.add(presence);
    try {
      return await this.#bridge.call<T>({ ...request, sample });
    } finally {
      await presence.end();
      this.#presences.delete(presence);
    }
  }
}

/** Whether the store decides which of racing creates wins. UNSUPPORTED if it can't hold a repository at all. */
async function canArbitrate({ direct }: Stores, signal: AbortSignal | undefined): Promise<boolean> {
  // Where a repository is already, the engine says so; nothing is tried out beside it.
  if (await exists(direct, 'config.json', signal)) return false;
  const result = await probe(direct, signal);
  refuseUnusable(direct.location, result);
  return result.exclusiveCreate;
}

async function exists(store: StorageBackend, key: string, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await store.stat(key, { signal });
    return true;
  } catch (error) {
    if (PackvaultError.is(error) && error.code === 'NOT_FOUND') return false;
    throw error;
  }
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
