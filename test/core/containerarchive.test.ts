/**
 * Programs written for containerarchive 0.1 run with nothing but the package's name changed. These are the statements of its
 * document, each group in a scope of its own, with paths and ids of this test.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import * as stream from 'node:stream';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import {
  ContainerArchive,
  type IPruneResult,
  type IRepairResult,
  type IRetentionPolicy,
  type ISnapshot,
  type ISnapshotItem,
  type IVerifyError,
  type IVerifyResult,
} from '../../src/index.ts';
import { dump, sha256 } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';

const DUMP = dump(1, 1_000_000);
const CONFIG = dump(2, 300_000);

let said: string[] = [];

beforeEach(() => {
  said = [];
  const say = (line: string): void => void said.push(line);
  vi.spyOn(console, 'log').mockImplementation(say);
  vi.spyOn(console, 'error').mockImplementation(say);
});

afterEach(() => {
  vi.restoreAllMocks();
});

interface Prepared {
  /** Holds `repo`, `pg_dump.sql` and `config-volumes.tar`. */
  readonly folder: string;
  readonly repo: ContainerArchive;
  readonly snapshot: ISnapshot;
}

/** What the document's examples take as given. */
async function prepared(): Promise<Prepared> {
  const folder = temporaryFolder();
  fs.writeFileSync(join(folder, 'pg_dump.sql'), DUMP);
  fs.writeFileSync(join(folder, 'config-volumes.tar'), CONFIG);
  const repo = await ContainerArchive.init(join(folder, 'repo'));
  onTestFinished(() => repo.close());
  const items = [
    { stream: stream.Readable.from([DUMP]), name: 'database.sql', type: 'database-dump' },
    { stream: stream.Readable.from([CONFIG]), name: 'config.tar', type: 'volume-tar' },
  ];
  return { folder, repo, snapshot: await repo.ingestMulti(items, { tags: { environment: 'production' } }) };
}

function config(path: string): unknown {
  return JSON.parse(fs.readFileSync(join(path, 'config.json'), 'utf8'));
}

test('initialize a new repository', async () => {
  const folder = temporaryFolder();
  // Unencrypted repository
  const repo = await ContainerArchive.init(join(folder, 'backup-repo'));

  // Encrypted repository (AES-256-GCM + Argon2id)
  const encryptedRepo = await ContainerArchive.init(join(folder, 'secure-repo'), {
    passphrase: 'my-strong-passphrase',
  });

  expect(config(join(folder, 'backup-repo'))).toHaveProperty('encryption', 'none');
  expect(config(join(folder, 'secure-repo'))).toHaveProperty('encryption', 'aes-256-gcm');
  await repo.close();
  await encryptedRepo.close();
});

test('open an existing repository', async () => {
  const { folder } = await prepared();
  await (await ContainerArchive.init(join(folder, 'secure-repo'), { passphrase: 'my-strong-passphrase' })).close();
  {
    const repo = await ContainerArchive.open(join(folder, 'repo'));
    expect(await repo.listSnapshots()).toHaveLength(1);
    await repo.close();
  }
  {
    // With passphrase for encrypted repos
    const repo = await ContainerArchive.open(join(folder, 'secure-repo'), {
      passphrase: 'my-strong-passphrase',
    });
    expect(await repo.listSnapshots()).toEqual([]);
    await repo.close();
  }
});

test('ingest data, a single stream', async () => {
  const { folder, repo } = await prepared();
  const inputStream = fs.createReadStream(join(folder, 'pg_dump.sql'));
  const snapshot = await repo.ingest(inputStream, {
    tags: { service: 'postgres', environment: 'production' },
    items: [{ name: 'database.sql', type: 'database-dump' }],
  });

  console.log(`Snapshot ${snapshot.id} created`);
  console.log(`Original: ${snapshot.originalSize} bytes`);
  console.log(`Stored: ${snapshot.storedSize} bytes`);
  console.log(`New chunks: ${snapshot.newChunks}, Reused: ${snapshot.reusedChunks}`);

  expect(said[1]).toBe('Original: 1000000 bytes');
  expect(said[3]).toBe(`New chunks: 0, Reused: ${snapshot.chunkCount}`);
  expect(snapshot.items[0]).toMatchObject({ name: 'database.sql', type: 'database-dump', size: 1_000_000 });
});

test('ingest several streams into one snapshot', async () => {
  const { folder, repo } = await prepared();
  const dbDump = fs.createReadStream(join(folder, 'pg_dump.sql'));
  const configTar = fs.createReadStream(join(folder, 'config-volumes.tar'));

  const snapshot = await repo.ingestMulti(
    [
      { stream: dbDump, name: 'database.sql', type: 'database-dump' },
      { stream: configTar, name: 'config.tar', type: 'volume-tar' },
    ],
    {
      tags: { service: 'myapp', type: 'full-backup' },
    },
  );

  console.log(`Items stored: ${snapshot.items.map((i) => i.name).join(', ')}`);

  expect(said).toEqual(['Items stored: database.sql, config.tar']);
});

test('restore data', async () => {
  const { folder, repo, snapshot } = await prepared();
  // Restore an entire snapshot
  const restoreStream = await repo.restore(snapshot.id);
  const writeStream = fs.createWriteStream(join(folder, 'restored-dump.sql'));
  restoreStream.pipe(writeStream);

  // Restore a specific item from a multi-item snapshot
  const configStream = await repo.restore(snapshot.id, { item: 'config.tar' });
  const configFile = configStream.pipe(fs.createWriteStream(join(folder, 'restored-config.tar')));

  await Promise.all([writeStream, configFile].map((file) => stream.promises.finished(file)));
  expect(sha256(fs.readFileSync(join(folder, 'restored-dump.sql')))).toBe(sha256(Buffer.concat([DUMP, CONFIG])));
  expect(sha256(fs.readFileSync(join(folder, 'restored-config.tar')))).toBe(sha256(CONFIG));
});

test('list and filter snapshots', async () => {
  const { repo, snapshot } = await prepared();
  // List all snapshots
  const allSnapshots = await repo.listSnapshots();

  // Filter by tags
  const prodSnapshots = await repo.listSnapshots({
    tags: { environment: 'production' },
  });

  // Filter by date range
  const recentSnapshots = await repo.listSnapshots({
    after: '2026-03-01T00:00:00Z',
    before: '2026-03-22T00:00:00Z',
  });

  // Get a specific snapshot
  const snap = await repo.getSnapshot(snapshot.id);

  expect(allSnapshots).toEqual([snapshot]);
  expect(prodSnapshots).toEqual([snapshot]);
  const inRange = snapshot.createdAt >= '2026-03-01T00:00:00Z' && snapshot.createdAt <= '2026-03-22T00:00:00Z';
  expect(recentSnapshots).toEqual(inRange ? [snapshot] : []);
  expect(snap).toEqual(snapshot);
});

test('verify repository integrity', async () => {
  const { repo } = await prepared();
  // Quick check – validates index consistency
  const quick = await repo.verify({ level: 'quick' });

  // Standard – reads pack headers and validates checksums
  const standard = await repo.verify({ level: 'standard' });

  // Full – decompresses and re-hashes every chunk
  const full = await repo.verify({ level: 'full' });

  console.log(`OK: ${full.ok}`);
  console.log(`Packs checked: ${full.stats.packsChecked}`);
  console.log(`Chunks checked: ${full.stats.chunksChecked}`);

  expect([quick.ok, standard.ok, full.ok]).toEqual([true, true, true]);
  expect(said[0]).toBe('OK: true');
  expect(full.stats.chunksChecked).toBeGreaterThan(0);
});

test('repair and maintenance', async () => {
  const { repo } = await prepared();
  // Repair – rebuild index, remove stale locks, attempt parity recovery
  const repairResult = await repo.repair();
  console.log(`Index rebuilt: ${repairResult.indexRebuilt}`);
  console.log(`Packs repaired via parity: ${repairResult.packsRepaired}`);

  // Rebuild global index from pack .idx files
  await repo.reindex();

  // Remove stale locks
  await repo.unlock();
  await repo.unlock({ force: true }); // force-remove all locks

  expect(said).toEqual(['Index rebuilt: false', 'Packs repaired via parity: 0']);
});

test('event subscriptions', async () => {
  const { folder, repo } = await prepared();
  // Track ingest progress
  const sub = repo.on('ingest:progress', (data) => {
    console.log(`${data.operation}: ${data.percentage}% – ${data.message}`);
  });

  // Track completed ingests
  repo.on('ingest:complete', (data) => {
    console.log(`Snapshot ${data.snapshotId} complete - ${data.newChunks} new chunks`);
  });

  // Track verification errors
  repo.on('verify:error', (error) => {
    console.error(`Verification error in ${error.pack || error.chunk}: ${error.error}`);
  });

  const done = await repo.ingest(DUMP);
  expect(said.at(-2)).toMatch(/^ingest: 0% – .*: 1000000 bytes$/);
  expect(said.at(-1)).toBe(`Snapshot ${done.id} complete - 0 new chunks`);
  const files = fs.readdirSync(join(folder, 'repo/packs/data'), { recursive: true, encoding: 'utf8' });
  fs.rmSync(join(folder, 'repo/packs/data', files.find((file) => file.endsWith('.pack')) ?? ''));
  await repo.verify({ level: 'quick' });
  expect(said.at(-1)).toMatch(/^Verification error in [0-9a-f]{64}: /);

  // Unsubscribe when done
  sub.unsubscribe();
  said = [];
  await repo.ingest(DUMP);
  expect(said).toHaveLength(1);
});

test('close the repository', async () => {
  const { repo } = await prepared();
  await repo.close();
  await expect(repo.listSnapshots()).rejects.toMatchObject({ code: 'CLOSED' });
});

test('the interfaces are known by their old names', async () => {
  const { repo, snapshot } = await prepared();
  const found: IVerifyResult = await repo.verify();
  const errors: IVerifyError[] = found.errors;
  const items: ISnapshotItem[] = snapshot.items;
  const mended: IRepairResult = await repo.repair();
  const { packsChecked, chunksChecked, snapshotsChecked } = found.stats;
  expect(errors).toEqual([]);
  expect(items).toHaveLength(2);
  expect(mended.packsLost).toEqual([]);
  expect([packsChecked > 0, chunksChecked > 0, snapshotsChecked]).toEqual([true, true, 1]);
});

test('prune old snapshots', async () => {
  const { repo } = await prepared();
  await repo.ingest(stream.Readable.from([CONFIG]));
  // Dry run first
  const preview = await repo.prune({ keepLast: 5, keepDays: 30 }, true);
  console.log(`Would remove ${preview.removedSnapshots} snapshots, free ${preview.freedBytes} bytes`);

  // Execute for real
  const result = await repo.prune({
    keepLast: 5,
    keepDays: 30,
    keepWeeks: 12,
    keepMonths: 6,
  });
  console.log(`Removed ${result.removedSnapshots} snapshots, ${result.removedPacks} packs`);

  expect(said).toEqual(['Would remove 0 snapshots, free 0 bytes', 'Removed 0 snapshots, 0 packs']);
  const less: IPruneResult = await repo.prune({ keepLast: 1 } satisfies IRetentionPolicy);
  expect(less.removedSnapshots).toBe(1);
});
