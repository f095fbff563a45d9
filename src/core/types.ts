/** Records and options of the public API. */
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { ErrorCode } from './errors.ts';

/** Bytes to store. Backpressure holds: no more than the memory limit is ever read ahead. */
export type ByteSource =
  | Uint8Array
  | FileHandle
  | AsyncIterable<Uint8Array>
  | Iterable<Uint8Array>
  | ReadableStream<Uint8Array>
  | Readable;

export interface Progress {
  readonly operation: string;
  readonly phase: string;
  readonly bytesDone: number;
  readonly bytesTotal?: number;
  readonly objectsDone: number;
  readonly objectsTotal?: number;
  readonly message: string;
}

/** `signal` aborts the call: the promise rejects with the signal's own reason and nothing half-done becomes visible. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called at most ten times a second. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export type Tags = Readonly<Record<string, string>>;

export interface SnapshotItem {
  readonly name: string;
  readonly type: string;
  /** In bytes. */
  readonly size: number;
  readonly chunkCount: number;
  /** Identity of the content: the root of its chunk list, hex. */
  readonly root: string;
  /** Hex SHA-256 of the bytes, when ingest was asked for it. */
  readonly sha256?: string;
}

export interface Snapshot {
  readonly id: string;
  readonly version: number;
  /** RFC 3339, UTC. */
  readonly createdAt: string;
  readonly tags: Tags;
  /** In bytes, all items. */
  readonly originalSize: number;
  /** In bytes: what this backup added to packs. */
  readonly storedSize: number;
  readonly chunkCount: number;
  readonly newChunks: number;
  readonly reusedChunks: number;
  readonly items: SnapshotItem[];
}

export interface SnapshotFilter extends CallOptions {
  /** A snapshot must have all of them. */
  readonly tags?: Tags | undefined;
  /** Not older; a date (its first moment in UTC) or RFC 3339. */
  readonly after?: string | Date | undefined;
  /** Not younger; a date (its first moment in UTC) or RFC 3339. */
  readonly before?: string | Date | undefined;
}

export interface VerifyError {
  readonly pack?: string;
  readonly chunk?: string;
  readonly snapshot?: string;
  readonly key?: string;
  readonly error: string;
  readonly code: ErrorCode;
  readonly repairable: boolean;
}

export interface VerifyStats {
  readonly packsChecked: number;
  readonly chunksChecked: number;
  readonly snapshotsChecked: number;
  readonly bytesRead: number;
}

export interface VerifyResult {
  readonly ok: boolean;
  readonly errors: VerifyError[];
  readonly stats: VerifyStats;
}

export interface VerifyOptions extends CallOptions {
  /**
   * `quick`: what is named exists and snapshots find their chunks. `standard` (default): every stored byte is authenticated, too.
   * `full`: every chunk is decompressed and its id recomputed, too.
   */
  readonly level?: 'quick' | 'standard' | 'full' | undefined;
  /** Read this share of packs, 0 to 1, other ones each time. */
  readonly sample?: number | undefined;
}

/** What to keep. Rules add up; the newest snapshot of a group always stays. An empty policy is INVALID_ARGUMENT, never "remove all". */
export interface RetentionPolicy {
  /** So many of the newest. */
  readonly keepLast?: number | undefined;
  /** The newest of each of so many hours that have any; likewise the others. */
  readonly keepHours?: number | undefined;
  readonly keepDays?: number | undefined;
  /** Weeks begin on Monday. */
  readonly keepWeeks?: number | undefined;
  readonly keepMonths?: number | undefined;
  readonly keepYears?: number | undefined;
  /** Every snapshot that has all tags of one of these. */
  readonly keepTags?: readonly Tags[] | undefined;
  /** Group snapshots by these tag names and apply the policy to each group. */
  readonly groupBy?: readonly string[] | undefined;
}

export interface PruneOptions extends CallOptions {
  /** Only say what would be done. */
  readonly dryRun?: boolean | undefined;
  /** Tolerated share of unused bytes, 0 to 1, default 0.1. */
  readonly maxUnused?: number | undefined;
  /** IANA name of the zone whose calendar counts, default UTC. */
  readonly timeZone?: string | undefined;
  /** Says that nobody else ever prunes this repository: asked for on stores that can't tell which of two creates was first. */
  readonly soleMaintainer?: boolean | undefined;
}

export interface PruneResult {
  readonly removedSnapshots: number;
  readonly removedPacks: number;
  /** Those of them whose needed chunks were written to new packs. */
  readonly rewrittenPacks: number;
  /** Bytes of packs that became free; parity is not counted. */
  readonly freedBytes: number;
  /** Ids. */
  readonly keptSnapshots: string[];
}

export interface RepairResult {
  readonly indexRebuilt: boolean;
  readonly packsRepaired: number;
  /** Packs with chunks that are lost beyond parity, hex. The next backup of the same data stores these again. */
  readonly packsLost: string[];
  readonly locksRemoved: number;
  readonly snapshotsRestored: number;
  /** Parity objects written anew. */
  readonly parityRepaired: number;
  /** Second copies of config, keys and gc records put back. */
  readonly copiesRestored: number;
  /** Snapshots with content that is lost beyond parity. */
  readonly snapshotsDamaged: string[];
}

export interface RepositoryStats {
  readonly snapshots: number;
  readonly packs: number;
  readonly chunks: number;
  readonly originalBytes: number;
  readonly storedBytes: number;
  readonly parityBytes: number;
  readonly dedupRatio: number;
  readonly compressionRatio: number;
}

export interface KeyInfo {
  readonly id: string;
  readonly label: string;
  readonly createdAt: string;
}

export interface LockInfo {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly verb: string;
  readonly since: string;
  readonly refreshedAt: string;
  readonly stale: boolean;
}

export interface OpenOptions extends CallOptions {
  /** Text is taken as UTF-8 in normalization form C. The bytes are copied. */
  readonly passphrase?: string | Uint8Array | undefined;
  /**
   * Folder of the local cache, always safe to delete; `false`: memory only. Default: the platform's cache folder, where of a repository
   * on local disk only what was seen is kept. With `false`, an older state of the store is noticed by the repository object
   * that has seen a newer one, and by no later one; up to 32 MiB of objects are then kept in memory beside `memoryLimit`.
   */
  readonly cache?: string | false | undefined;
  /**
   * Cap in bytes on the data in flight on both sides of the seam: 16 MiB or more, default 256 MiB. On top come Node with the buffers
   * that it frees late (about 100 MiB), key derivation, and the index of the repository's chunks. A call for which the limit is too
   * low, because of the repository's packs and parity, is INVALID_ARGUMENT and says how much it needs.
   */
  readonly memoryLimit?: number | undefined;
  /**
   * Take what the store shows for the newest state, though this client has seen a newer one (ROLLED_BACK): after the store itself was
   * put back from a copy. What is there then counts. A config that says of an encrypted repository that it is not stays refused.
   */
  readonly acceptRollback?: boolean | undefined;
  /** Requests in flight to the store. Default 16. */
  readonly concurrency?: number | undefined;
  /** Worker threads of the engine. Default: the number of cores. */
  readonly threads?: number | undefined;
}

export interface InitOptions extends OpenOptions {
  /** Default zstd level 1. */
  readonly compression?:
    | 'zstd'
    | 'gzip'
    | 'none'
    | { readonly codec: 'zstd' | 'gzip'; readonly level: number }
    | undefined;
  /** Bytes. Default 64 KiB, 256 KiB, 1 MiB. */
  readonly chunking?: { readonly min: number; readonly average: number; readonly max: number } | undefined;
  readonly chunkId?: 'blake3' | 'sha256' | undefined;
  /** Target size of a pack in bytes. Default 16 MiB on local disk, 32 MiB elsewhere. */
  readonly packSize?: number | undefined;
  /** Reed-Solomon groups of `data` packs with `parity` parity packs. Default: 17 and 3 on local disk, off elsewhere. */
  readonly parity?: { readonly data: number; readonly parity: number } | false | undefined;
  /** Cost of Argon2id. Default 131,072 KiB, 3, 1. */
  readonly kdf?: KdfCost | undefined;
}

export interface KdfCost {
  readonly memoryKiB: number;
  readonly iterations: number;
  readonly parallelism: number;
}

/** `items`: at most one, naming the stream; default `{ name: 'data', type: 'stream' }`. */
export interface IngestOptions extends CallOptions {
  readonly tags?: Tags | undefined;
  readonly items?: readonly { readonly name: string; readonly type?: string }[] | undefined;
  /** Record SHA-256 of each item: it is serial and costs speed. */
  readonly sha256?: boolean | undefined;
}

export interface IngestItem {
  readonly stream: ByteSource;
  readonly name: string;
  readonly type?: string;
}

export interface RestoreOptions extends CallOptions {
  readonly item?: string | undefined;
  /** First byte, default 0. */
  readonly offset?: number | undefined;
  /** Bytes, default: to the end. */
  readonly length?: number | undefined;
}

export interface RestoreToOptions extends CallOptions {
  readonly item?: string | undefined;
  /** Replace a file that is there. */
  readonly overwrite?: boolean | undefined;
}
