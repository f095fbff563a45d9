/** What packvault exports. */
export { LocalBackend, type LocalBackendOptions } from './backends/local/index.ts';
export { openUrl } from './backends/open-url.ts';
export { probeStore, Repository, Repository as ContainerArchive } from './connect.ts';
export {
  alreadyExists,
  type CheckedRange,
  checkDelete,
  checkKey,
  checkListing,
  checkPut,
  checkRange,
  notFound,
  rangeInvalid,
  resolveRange,
} from './core/backend.ts';
export type {
  BackendCallOptions,
  BackendCapabilities,
  GetOptions,
  ListOptions,
  ObjectInfo,
  PutOptions,
  StorageBackend,
} from './core/backend.ts';
export {
  type ErrorCode,
  type ErrorContext,
  PackvaultError,
  type PackvaultErrorInit,
  type RetryClass,
} from './core/errors.ts';
export type { RepositoryEvents, Subscription } from './core/events.ts';
export type { ProbeFinding, ProbeResult } from './core/probe.ts';
export type { AddKeyOptions, Keys } from './core/keys.ts';
export type {
  ByteSource,
  CallOptions,
  IngestItem,
  IngestOptions,
  InitOptions,
  KdfCost,
  KeyInfo,
  LockInfo,
  OpenOptions,
  Progress,
  PruneOptions,
  PruneResult,
  PruneResult as IPruneResult,
  RepairResult,
  RepairResult as IRepairResult,
  RepositoryStats,
  RestoreOptions,
  RestoreToOptions,
  RetentionPolicy,
  RetentionPolicy as IRetentionPolicy,
  Snapshot,
  Snapshot as ISnapshot,
  SnapshotFilter,
  SnapshotItem,
  SnapshotItem as ISnapshotItem,
  Tags,
  VerifyError,
  VerifyError as IVerifyError,
  VerifyOptions,
  VerifyResult,
  VerifyResult as IVerifyResult,
  VerifyStats,
} from './core/types.ts';
