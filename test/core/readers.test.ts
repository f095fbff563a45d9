/** Readers of a restore who stop, stall or are called off: memory comes back, and nobody else waits for them. */
import { once } from 'node:events';
import { PassThrough, type Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import type { Repository, Snapshot } from '../../src/index.ts';
import { bytes, sha256 } from '../support/data.ts';
import { collect, makeRepository, rejection, restored } from '../support/repositories.ts';
import { gate, TappedBackend, whenAborted } from '../support/tapped.ts';

// Many times what a stream buffers.
const BODY = bytes(11, 20_000_000);
const DIGEST = sha256(BODY);

async function stored(): Promise<{ backend: TappedBackend; repository: Repository; snapshot: Snapshot }> {
  const backend = new TappedBackend(new MemoryBackend());
  const repository = await makeRepository(backend);
  return { backend, repository, snapshot: await repository.ingest(BODY) };
}

function full(): Writable {
  return new Writable({
    write: (_part, _encoding, done) => {
      done(new Error('no more room'));
    },
  });
}

/** Reads a little, and then no more. */
async function stalled(repository: Repository): Promise<Readable> {
  const stream = await repository.restore('latest');
  await once(stream, 'readable');
  expect((stream.read(1_000) as Uint8Array).byteLength).toBe(1_000);
  return stream;
}

test('a reader who breaks off, destroys, or whose pipe fails gives the memory back', async () => {
  const { repository } = await stored();
  // More often than a stream would fit into the memory limit if one were lost.
  for (let round = 0; round < 10; round += 1) {
    for await (const part of await repository.restore('latest')) {
      expect((part as Uint8Array).byteLength).toBeGreaterThan(0);
      break;
    }
    const stream = await stalled(repository);
    stream.destroy();
    await once(stream, 'close');
    const piped = await repository.restore('latest');
    expect(String(await rejection(pipeline(piped, full())))).toContain('no more room');
    expect(piped.destroyed).toBe(true);
    (await repository.restore('latest')).destroy();
  }
  expect(sha256(await restored(repository, 'latest'))).toBe(DIGEST);
});

test('when a stream has closed, the store is asked nothing more for it', async () => {
  const { backend, repository } = await stored();
  const stream = await stalled(repository);
  stream.destroy();
  await once(stream, 'close');
  const asked = backend.calls.length;
  expect((await repository.listSnapshots()).length).toBe(1);
  expect(backend.calls.slice(asked).map(({ verb }) => verb)).not.toContain('get');
});

test('a reader who stalls keeps nobody else from backing up, reading, checking or repairing', async () => {
  const { repository, snapshot } = await stored();
  const readers = [await stalled(repository), await stalled(repository), await stalled(repository)];
  const other = bytes(12, 3_000_000);
  const { id } = await repository.ingest(other);
  expect(sha256(await restored(repository, id))).toBe(sha256(other));
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);
  expect((await repository.repair()).packsRepaired).toBe(0);
  // And they get the rest when they go on.
  for (const reader of readers) {
    expect((await collect(reader)).byteLength).toBe(snapshot.originalSize - 1_000);
  }
});

test('an ingest whose source is a reader who stalls for a while goes on with it', async () => {
  const { repository } = await stored();
  const paused = new PassThrough();
  const feeding = pipeline(await repository.restore('latest'), paused);
  const copy = repository.ingest(paused);
  const others = await Promise.all([repository.ingest(bytes(1, 1_000)), restored(repository, 'latest')]);
  expect(others[0].originalSize).toBe(1_000);
  await feeding;
  expect((await copy).originalSize).toBe(BODY.byteLength);
});

test('an abort destroys the stream with its own reason, read or not', async () => {
  const { repository } = await stored();
  for (const begin of [true, false]) {
    const controller = new AbortController();
    const stream = await repository.restore('latest', { signal: controller.signal });
    if (begin) {
      await once(stream, 'readable');
      stream.read(1_000);
    }
    const reason = new Error('enough');
    const failed = once(stream, 'error');
    controller.abort(reason);
    expect(await failed).toEqual([reason]);
    expect(stream.destroyed).toBe(true);
  }
  const reason = new Error('before');
  expect(await rejection(repository.restore('latest', { signal: AbortSignal.abort(reason) }))).toBe(reason);
  expect(sha256(await restored(repository, 'latest'))).toBe(DIGEST);
});

test('an abort after the end changes nothing', async () => {
  const { repository } = await stored();
  const controller = new AbortController();
  const stream = await repository.restore('latest', { signal: controller.signal });
  expect(sha256(await collect(stream))).toBe(DIGEST);
  controller.abort();
  expect(stream.errored).toBe(null);
});

test('close ends a stream that a reader has stalled, with CLOSED', async () => {
  const { repository } = await stored();
  const stream = await stalled(repository);
  const unread = await repository.restore('latest');
  const failed = once(stream, 'error');
  await repository.close();
  expect((await failed)[0]).toMatchObject({ code: 'CLOSED' });
  expect(await rejection(collect(unread))).toMatchObject({ code: 'CLOSED' });
});

test('a store that stops answering while a reader waits is freed by destroying the stream', async () => {
  const { backend, repository } = await stored();
  const reached = gate();
  backend.tap = (call, next) => {
    if (call.verb !== 'get' || call.range === undefined) return next();
    reached.open();
    return whenAborted(call.signal);
  };
  const stream = await repository.restore('latest');
  stream.resume();
  await reached.opened;
  stream.destroy();
  await once(stream, 'close');
  backend.tap = (_call, next) => next();
  expect(sha256(await restored(repository, 'latest'))).toBe(DIGEST);
});

test('damage beyond parity destroys the stream with CORRUPT, after right bytes only', async () => {
  const { backend, repository } = await stored();
  const packs: string[] = [];
  for await (const { key } of backend.list('packs/')) packs.push(key);
  await backend.delete(packs.slice(-1));
  const got: Uint8Array[] = [];
  const read = async (): Promise<void> => {
    for await (const part of await repository.restore('latest')) got.push(part as Uint8Array);
  };
  const error = await rejection(read());
  expect(error).toMatchObject({ code: 'CORRUPT', context: { chunk: expect.stringMatching(/^[0-9a-f]{64}$/) } });
  const all = Buffer.concat(got);
  expect(all.byteLength).toBeLessThan(BODY.byteLength);
  expect(sha256(all)).toBe(sha256(BODY.subarray(0, all.byteLength)));
});

test('a reader who is slower than the store gets everything', async () => {
  const { repository } = await stored();
  const slow = new Writable({
    highWaterMark: 1,
    write(part: Uint8Array, _encoding, done) {
      setImmediate(() => {
        taken.push(part);
        done();
      });
    },
  });
  const taken: Uint8Array[] = [];
  await pipeline(await repository.restore('latest'), slow);
  expect(sha256(Buffer.concat(taken))).toBe(DIGEST);
});
