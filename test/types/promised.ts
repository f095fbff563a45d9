/**
 * The public API as it was promised, written down a second time: the sources must not drift away from it unnoticed.
 * `prune`, `forget`, `replicate` and compression `auto` are added when they work.
 */
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';

export type ByteSource =
  | Uint8Array
  | FileHandle
  | AsyncIterable<Uint8Array>
  | Iterable<Uint8Array>
  | ReadableStream<Uint8Array>
  | Readable;
export interface CallOptions {
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
}
export interface Progress {
  operation: string;
  phase: string;
  bytesDone: number;
  bytesTotal?: number;
  objectsDone: number;
  objectsTotal?: number;
  message: string;
}

export type ErrorCode =
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'UNAUTHENTICATED'
  | 'RATE_LIMITED'
  | 'UNAVAILABLE'
  | 'RANGE_INVALID'
  | 'OUT_OF_SPACE'
  | 'UNSUPPORTED'
  | 'WRONG_PASSPHRASE'
  | 'PASSPHRASE_REQUIRED'
  | 'CORRUPT'
  | 'UNRECOVERABLE'
  | 'CONFLICT'
  | 'LOCKED'
  | 'ROLLED_BACK'
  | 'NOT_A_REPOSITORY'
  | 'FORMAT_TOO_NEW'
  | 'FORMAT_TOO_OLD'
  | 'INVALID_ARGUMENT'
  | 'CLOSED'
  | 'INTERNAL';
export interface PackvaultError extends Error {
  code: ErrorCode;
  retry: 'never' | 'safe' | 'exhausted';
  context: Readonly<Record<string, string | number>>;
}

export interface BackendCapabilities {
  exclusiveCreate: boolean;
  durablePut: boolean;
  maxObjectSize: number;
  maxDeleteBatch: number;
}
export interface ObjectInfo {
  key: string;
  size: number;
  modifiedAt: Date;
}
export interface StorageBackend extends AsyncDisposable {
  location: string;
  capabilities: BackendCapabilities;
  put(
    key: string,
    body: Uint8Array,
    options: { mode: 'create' | 'overwrite'; sha256?: Uint8Array; signal?: AbortSignal },
  ): Promise<void>;
  get(
    key: string,
    options?: { offset?: number; length?: number; maxBytes?: number; signal?: AbortSignal },
  ): Promise<Uint8Array>;
  stat(key: string, options?: { signal?: AbortSignal }): Promise<ObjectInfo>;
  list(prefix: string, options?: { startAfter?: string; signal?: AbortSignal }): AsyncIterable<ObjectInfo>;
  delete(keys: string[], options?: { signal?: AbortSignal }): Promise<void>;
}

export type Tags = Readonly<Record<string, string>>;
export interface SnapshotItem {
  name: string;
  type: string;
  size: number;
  chunkCount: number;
  root: string;
  sha256?: string;
}
export interface Snapshot {
  id: string;
  version: number;
  createdAt: string;
  tags: Tags;
  originalSize: number;
  storedSize: number;
  chunkCount: number;
  newChunks: number;
  reusedChunks: number;
  items: SnapshotItem[];
}
export interface SnapshotFilter extends CallOptions {
  tags?: Tags;
  after?: string | Date;
  before?: string | Date;
}
export interface VerifyError {
  pack?: string;
  chunk?: string;
  snapshot?: string;
  key?: string;
  error: string;
  code: ErrorCode;
  repairable: boolean;
}
export interface VerifyResult {
  ok: boolean;
  errors: VerifyError[];
  stats: { packsChecked: number; chunksChecked: number; snapshotsChecked: number; bytesRead: number };
}
export interface RepairResult {
  indexRebuilt: boolean;
  packsRepaired: number;
  packsLost: string[];
  locksRemoved: number;
  snapshotsRestored: number;
}
export interface RepositoryStats {
  snapshots: number;
  packs: number;
  chunks: number;
  originalBytes: number;
  storedBytes: number;
  parityBytes: number;
  dedupRatio: number;
  compressionRatio: number;
}
export interface KeyInfo {
  id: string;
  label: string;
  createdAt: string;
}
export interface LockInfo {
  id: string;
  host: string;
  pid: number;
  verb: string;
  since: string;
  refreshedAt: string;
  stale: boolean;
}

export interface RepositoryEvents {
  'ingest:progress': { operation: string; percentage: number; message: string; bytesRead: number };
  'ingest:complete': { snapshotId: string; newChunks: number };
  'verify:error': VerifyError;
  'backend:retry': { key: string; attempt: number; error: PackvaultError };
  'restore:healed': { pack: string; bytes: number };
}
export interface Subscription extends Disposable {
  unsubscribe(): void;
}

export interface OpenOptions extends CallOptions {
  passphrase?: string | Uint8Array;
  cache?: string | false;
  memoryLimit?: number;
  acceptRollback?: boolean;
  concurrency?: number;
  threads?: number;
}
export interface InitOptions extends OpenOptions {
  compression?: 'zstd' | 'gzip' | 'none' | { codec: 'zstd' | 'gzip'; level: number };
  chunking?: { min: number; average: number; max: number };
  chunkId?: 'blake3' | 'sha256';
  packSize?: number;
  parity?: { data: number; parity: number } | false;
  kdf?: { memoryKiB: number; iterations: number; parallelism: number };
}
export interface IngestOptions extends CallOptions {
  tags?: Tags;
  items?: { name: string; type?: string }[];
  sha256?: boolean;
}
export interface IngestItem {
  stream: ByteSource;
  name: string;
  type?: string;
}
export type RestoreOptions = CallOptions & { item?: string; offset?: number; length?: number };
export type RestoreToOptions = CallOptions & { item?: string; overwrite?: boolean };
export type VerifyOptions = CallOptions & { level?: 'quick' | 'standard' | 'full'; sample?: number };

export interface RetentionPolicy {
  keepLast?: number;
  keepHours?: number;
  keepDays?: number;
  keepWeeks?: number;
  keepMonths?: number;
  keepYears?: number;
  keepTags?: Tags[];
  groupBy?: string[];
}
export interface PruneResult {
  removedSnapshots: number;
  removedPacks: number;
  rewrittenPacks: number;
  freedBytes: number;
  keptSnapshots: string[];
}
export type PruneOptions = CallOptions & { dryRun?: boolean; maxUnused?: number; timeZone?: string };

export interface Keys {
  list(options?: CallOptions): Promise<KeyInfo[]>;
  add(passphrase: string | Uint8Array, options?: CallOptions & { label?: string }): Promise<string>;
  remove(id: string, options?: CallOptions): Promise<void>;
}

export interface Repository extends AsyncDisposable {
  ingest(source: ByteSource, options?: IngestOptions): Promise<Snapshot>;
  ingestMulti(items: IngestItem[], options?: IngestOptions): Promise<Snapshot>;
  restore(snapshotId: string, options?: RestoreOptions): Promise<Readable>;
  restoreTo(path: string, snapshotId: string, options?: RestoreToOptions): Promise<{ bytes: number; healed: number }>;
  listSnapshots(filter?: SnapshotFilter): Promise<Snapshot[]>;
  snapshots(filter?: SnapshotFilter): AsyncIterable<Snapshot>;
  getSnapshot(id: string, options?: CallOptions): Promise<Snapshot>;
  verify(options?: VerifyOptions): Promise<VerifyResult>;
  prune(policy: RetentionPolicy, options?: boolean | PruneOptions): Promise<PruneResult>;
  forget(snapshotIds: string[], options?: CallOptions & { dryRun?: boolean }): Promise<PruneResult>;
  repair(options?: CallOptions): Promise<RepairResult>;
  reindex(options?: CallOptions): Promise<void>;
  unlock(options?: CallOptions & { force?: boolean }): Promise<void>;
  stats(options?: CallOptions): Promise<RepositoryStats>;
  status(options?: CallOptions): Promise<LockInfo[]>;
  keys: Keys;
  on<K extends keyof RepositoryEvents>(event: K, handler: (payload: RepositoryEvents[K]) => void): Subscription;
  close(): Promise<void>;
}
export interface RepositoryClass {
  init(where: string | StorageBackend, options?: InitOptions): Promise<Repository>;
  open(where: string | StorageBackend, options?: OpenOptions): Promise<Repository>;
}
