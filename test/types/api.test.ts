/** The declarations are those that were promised, and every promised member is there. The type checker proves the first half. */
import type { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import * as packvault from '../../src/index.ts';
import type * as promised from './promised.ts';

/** What is given to users: ours has all that was promised. */
type Gives<Ours extends Promised, Promised> = [Ours, Promised];
/** What users give: whatever was promised to be taken is taken. That may be more, such as `undefined` and readonly lists. */
type Takes<Ours, Promised extends Ours> = [Ours, Promised];
/** Both ways: nothing was added either. */
type Same<Ours extends Promised, Promised> = [Promised] extends [Ours] ? true : false;
type Held<T extends true> = T;

/** Compiled, never run. Each line fails the type check where a declaration drifts. */
export type Checks = [
  Held<Same<packvault.Progress, promised.Progress>>,
  Held<Same<packvault.ByteSource, promised.ByteSource>>,
  Held<Same<packvault.ErrorCode, promised.ErrorCode>>,
  Gives<packvault.PackvaultError, promised.PackvaultError>,
  Held<Same<packvault.BackendCapabilities, promised.BackendCapabilities>>,
  Held<Same<packvault.ObjectInfo, promised.ObjectInfo>>,
  // A backend that was written for the promised interface can be passed in, and one of ours can be used as that.
  Held<Same<packvault.StorageBackend, promised.StorageBackend>>,
  Held<Same<packvault.Tags, promised.Tags>>,
  Held<Same<packvault.SnapshotItem, promised.SnapshotItem>>,
  Held<Same<packvault.Snapshot, promised.Snapshot>>,
  Held<Same<packvault.VerifyError, promised.VerifyError>>,
  Held<Same<packvault.VerifyResult, promised.VerifyResult>>,
  Gives<packvault.RepairResult, promised.RepairResult>,
  Held<Same<packvault.RepositoryStats, promised.RepositoryStats>>,
  Held<Same<packvault.KeyInfo, promised.KeyInfo>>,
  Held<Same<packvault.LockInfo, promised.LockInfo>>,
  Gives<packvault.RepositoryEvents, promised.RepositoryEvents>,
  Held<Same<keyof packvault.RepositoryEvents, keyof promised.RepositoryEvents>>,
  Held<Same<packvault.Subscription, promised.Subscription>>,
  Takes<packvault.CallOptions, promised.CallOptions>,
  Takes<packvault.SnapshotFilter, promised.SnapshotFilter>,
  Takes<packvault.OpenOptions, promised.OpenOptions>,
  Takes<packvault.InitOptions, promised.InitOptions>,
  Takes<packvault.IngestOptions, promised.IngestOptions>,
  Held<Same<packvault.IngestItem, promised.IngestItem>>,
  Takes<packvault.RestoreOptions, promised.RestoreOptions>,
  Takes<packvault.RestoreToOptions, promised.RestoreToOptions>,
  Takes<packvault.VerifyOptions, promised.VerifyOptions>,
  Takes<packvault.RetentionPolicy, promised.RetentionPolicy>,
  Takes<packvault.PruneOptions, promised.PruneOptions>,
  Held<Same<packvault.PruneResult, promised.PruneResult>>,
  Held<Same<keyof packvault.RetentionPolicy, keyof promised.RetentionPolicy>>,
  // Optional members can be lost without a sign of it.
  Held<Same<keyof packvault.Progress, keyof promised.Progress>>,
  Held<Same<keyof packvault.SnapshotItem, keyof promised.SnapshotItem>>,
  Held<Same<keyof packvault.VerifyError, keyof promised.VerifyError>>,
  Held<Same<keyof packvault.IngestItem, keyof promised.IngestItem>>,
  // No option was forgotten, and none was added but the cost of a new key.
  Held<Same<keyof packvault.CallOptions, keyof promised.CallOptions>>,
  Held<Same<keyof packvault.SnapshotFilter, keyof promised.SnapshotFilter>>,
  Held<Same<keyof packvault.InitOptions, keyof promised.InitOptions>>,
  Held<Same<keyof packvault.IngestOptions, keyof promised.IngestOptions>>,
  Held<Same<keyof packvault.RestoreOptions, keyof promised.RestoreOptions>>,
  Held<Same<keyof packvault.RestoreToOptions, keyof promised.RestoreToOptions>>,
  Held<Same<keyof packvault.VerifyOptions, keyof promised.VerifyOptions>>,
  Gives<packvault.Keys, promised.Keys>,
  Gives<packvault.Repository, promised.Repository>,
  Held<Same<keyof packvault.Repository, keyof promised.Repository>>,
  Gives<Pick<typeof packvault.Repository, 'init' | 'open'>, promised.RepositoryClass>,
  Held<Same<Awaited<ReturnType<packvault.Repository['restore']>>, Readable>>,
  Held<Same<packvault.ContainerArchive, packvault.Repository>>,
  Held<Same<packvault.ISnapshot, promised.Snapshot>>,
  Held<Same<packvault.ISnapshotItem, promised.SnapshotItem>>,
  Held<Same<packvault.IVerifyResult, promised.VerifyResult>>,
  Held<Same<packvault.IVerifyError, promised.VerifyError>>,
  Gives<packvault.IRepairResult, promised.RepairResult>,
  Held<Same<packvault.IPruneResult, promised.PruneResult>>,
  Held<Same<packvault.IRetentionPolicy, packvault.RetentionPolicy>>,
];

/** Planted: the checks must be able to fail. */
export type Planted = [
  // @ts-expect-error A member less than promised.
  Gives<Omit<packvault.Snapshot, 'items'>, promised.Snapshot>,
  // @ts-expect-error A list that users can no longer take for a list of theirs.
  Gives<{ readonly items: readonly packvault.SnapshotItem[] }, Pick<promised.Snapshot, 'items'>>,
  // @ts-expect-error An option that became required.
  Takes<Required<packvault.IngestOptions>, promised.IngestOptions>,
  // @ts-expect-error A code that was not promised.
  Held<Same<packvault.ErrorCode | 'OTHER', promised.ErrorCode>>,
  // @ts-expect-error A code that was forgotten.
  Held<Same<Exclude<packvault.ErrorCode, 'CLOSED'>, promised.ErrorCode>>,
];

test('every promised member is there at run time, and no others', () => {
  const methods = new Set<string>();
  for (let at: object = packvault.Repository.prototype; at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) methods.add(name);
  }
  methods.delete('constructor');
  const wanted: Record<Exclude<keyof promised.Repository, symbol | 'keys'>, true> = {
    ingest: true,
    ingestMulti: true,
    restore: true,
    restoreTo: true,
    listSnapshots: true,
    snapshots: true,
    getSnapshot: true,
    verify: true,
    prune: true,
    forget: true,
    repair: true,
    reindex: true,
    unlock: true,
    stats: true,
    status: true,
    on: true,
    close: true,
  };
  expect([...methods].toSorted()).toEqual(Object.keys(wanted).toSorted());
  expect(Object.keys(packvault).toSorted()).toEqual([
    'ContainerArchive',
    'LocalBackend',
    'PackvaultError',
    'Repository',
    'alreadyExists',
    'checkDelete',
    'checkKey',
    'checkListing',
    'checkPut',
    'checkRange',
    'notFound',
    'openUrl',
    'probeStore',
    'rangeInvalid',
    'resolveRange',
  ]);
  expect(packvault.ContainerArchive).toBe(packvault.Repository);
});
