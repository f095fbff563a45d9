/** Restoring into a file: whole or not at all, and never over anything that was not meant. */
import { execFileSync } from 'node:child_process';
import type * as FileSystem from 'node:fs/promises';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { FaultBackend } from '../../src/testing/index.ts';
import { bytes, dump, sha256 } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';
import { makeRepository, refusal, rejection } from '../support/repositories.ts';
import { gate, TappedBackend } from '../support/tapped.ts';

/** What the disk refuses. */
const disk = vi.hoisted((): { fullAt: 'write' | 'sync' | undefined } => ({ fullAt: undefined }));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof FileSystem>();
  const open = async (...given: Parameters<typeof real.open>): Promise<FileSystem.FileHandle> => {
    const file = await real.open(...given);
    if (disk.fullAt === undefined) return file;
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    return Object.assign(file, { [disk.fullAt]: () => Promise.reject(full) });
  };
  return { ...real, open };
});

const BODY = Buffer.concat([bytes(3, 2_500_000), bytes(3, 2_500_000), dump(3, 1_000_000)]);

test('a file gets the bytes, and nothing else is left beside it', async () => {
  const folder = temporaryFolder();
  const repository = await makeRepository();
  const { id } = await repository.ingest(BODY);
  const path = join(folder, 'out.sql');
  expect(await repository.restoreTo(path, id)).toEqual({ bytes: BODY.byteLength, healed: 0 });
  expect(sha256(readFileSync(path))).toBe(sha256(BODY));
  expect(readdirSync(folder)).toEqual(['out.sql']);
});

test('one item and an empty one are restored, too', async () => {
  const folder = temporaryFolder();
  const repository = await makeRepository();
  await repository.ingestMulti([
    { name: 'a', stream: bytes(1, 1_000) },
    { name: 'b', stream: new Uint8Array(0) },
  ]);
  await repository.restoreTo(join(folder, 'a'), 'latest', { item: 'a' });
  await repository.restoreTo(join(folder, 'b'), 'latest', { item: 'b' });
  expect(readFileSync(join(folder, 'a'))).toEqual(Buffer.from(bytes(1, 1_000)));
  expect(readFileSync(join(folder, 'b'))).toHaveLength(0);
});

test('a file that is there stays unless overwriting is allowed', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'precious');
  writeFileSync(path, 'mine');
  const repository = await makeRepository();
  const { id } = await repository.ingest(BODY);
  const error = await refusal(repository.restoreTo(path, id), 'ALREADY_EXISTS');
  expect(error.message).toContain('was not touched');
  expect(readFileSync(path, 'utf8')).toBe('mine');
  chmodSync(path, 0o600);
  await repository.restoreTo(path, id, { overwrite: true });
  expect(sha256(readFileSync(path))).toBe(sha256(BODY));
  expect(readdirSync(folder)).toEqual(['precious']);
  // Whoever could not read it before can't now.
  if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('a file that appears while the restore runs stays, too', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'precious');
  const backend = new TappedBackend(new MemoryBackend());
  const repository = await makeRepository(backend);
  const { id } = await repository.ingest(BODY);
  backend.tap = async ({ verb, range }, next) => {
    if (verb === 'get' && range !== undefined) writeFileSync(path, 'mine');
    return next();
  };
  await refusal(repository.restoreTo(path, id), 'ALREADY_EXISTS');
  expect(readFileSync(path, 'utf8')).toBe('mine');
  expect(readdirSync(folder)).toEqual(['precious']);
});

test('what is no regular file is not replaced, even if overwriting is allowed', async () => {
  const folder = temporaryFolder();
  const repository = await makeRepository();
  const { id } = await repository.ingest(BODY);
  mkdirSync(join(folder, 'sub'));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  symlinkSync('/dev/null', join(folder, 'null'));
  for (const [name, said] of Object.entries({
    sub: 'is a folder',
    pipe: 'is no regular file',
    null: 'is no regular file',
  })) {
    const error = await refusal(repository.restoreTo(join(folder, name), id, { overwrite: true }), 'INVALID_ARGUMENT');
    expect(error.message).toContain(said);
  }
  await refusal(repository.restoreTo('', id), 'INVALID_ARGUMENT');
  await refusal(repository.restoreTo('a\0b', id), 'INVALID_ARGUMENT');
  expect(readdirSync(folder).toSorted()).toEqual(['null', 'pipe', 'sub']);
});

test('a folder that is not there, or may not be written to, is told with its path and cause', async () => {
  const folder = temporaryFolder();
  const repository = await makeRepository();
  const { id } = await repository.ingest(BODY);
  const path = join(folder, 'no', 'such', 'folder');
  const error = await refusal(repository.restoreTo(path, id), 'NOT_FOUND');
  expect(error.message).toContain(`${path} could not be written`);
  expect(error.message).toContain('The repository is not touched, and no partial file was left.');
  expect(error.cause).toMatchObject({ code: 'ENOENT' });
  mkdirSync(join(folder, 'locked'));
  chmodSync(join(folder, 'locked'), 0o500);
  // Root may write anywhere; a file where a folder is needed is an answer for everybody.
  writeFileSync(join(folder, 'file'), '');
  const other = await refusal(repository.restoreTo(join(folder, 'file', 'x'), id), 'NOT_FOUND');
  expect(other.cause).toMatchObject({ code: 'ENOTDIR' });
  if (process.getuid?.() !== 0)
    await refusal(repository.restoreTo(join(folder, 'locked', 'x'), id), 'PERMISSION_DENIED');
});

for (const step of ['write', 'sync'] as const) {
  test(`a disk that is full at ${step} is told, and no part of the file is left`, async () => {
    const folder = temporaryFolder();
    const repository = await makeRepository();
    const { id } = await repository.ingest(BODY);
    disk.fullAt = step;
    onTestFinished(() => {
      disk.fullAt = undefined;
    });
    const error = await refusal(repository.restoreTo(join(folder, 'out'), id), 'OUT_OF_SPACE');
    expect(error.message).toContain('could not be written');
    expect(error.cause).toMatchObject({ code: 'ENOSPC' });
    disk.fullAt = undefined;
    expect(readdirSync(folder)).toEqual([]);
    expect((await repository.restoreTo(join(folder, 'out'), id)).bytes).toBe(BODY.byteLength);
  });
}

test('damage beyond parity leaves no file, and a store that fails neither', async () => {
  const folder = temporaryFolder();
  const inner = new MemoryBackend();
  const backend = new FaultBackend(inner);
  const repository = await makeRepository(backend);
  const { id } = await repository.ingest(BODY);
  backend.inject({ fault: 'UNAVAILABLE', verb: 'get', key: 'packs/', retry: 'exhausted' });
  await refusal(repository.restoreTo(join(folder, 'out'), id), 'UNAVAILABLE');
  await backend.heal();
  for await (const { key } of inner.list('packs/')) {
    await inner.delete([key]);
    break;
  }
  const error = await refusal(repository.restoreTo(join(folder, 'out'), id), 'CORRUPT');
  expect(error.message).toContain('No wrong bytes were returned. Run verify, then repair.');
  expect(readdirSync(folder)).toEqual([]);
});

test('an abort midway rejects with its own reason and leaves no file', async () => {
  const folder = temporaryFolder();
  const backend = new TappedBackend(new MemoryBackend());
  const repository = await makeRepository(backend);
  const { id } = await repository.ingest(BODY);
  const controller = new AbortController();
  const reached = gate();
  backend.tap = async ({ verb, range }, next) => {
    if (verb === 'get' && range !== undefined) reached.open();
    return next();
  };
  const restoring = rejection(repository.restoreTo(join(folder, 'out'), id, { signal: controller.signal }));
  await reached.opened;
  const reason = new Error('enough');
  controller.abort(reason);
  expect(await restoring).toBe(reason);
  expect(readdirSync(folder)).toEqual([]);
});
