/** A producer that fails, hangs or is called off: no snapshot, the cause is told, and readers see what they saw before. */
import { createReadStream, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import type { ByteSource, Repository } from '../../src/index.ts';
import { RecordBackend } from '../../src/testing/index.ts';
import { bytes, sha256 } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';
import { makeRepository, refusal, rejection, restored } from '../support/repositories.ts';
import { gate } from '../support/tapped.ts';

const BEFORE = bytes(1, 500_000);
const PART = bytes(2, 300_000);
const BOOM = new Error('the dump tool died');

async function* thenThrows(thrown: unknown): AsyncGenerator<Uint8Array, void, undefined> {
  yield* [PART, PART];
  throw thrown;
}

function* throws(): Generator<Uint8Array, void, undefined> {
  yield PART;
  throw BOOM;
}

async function withOneBackup(): Promise<{ repository: Repository; unharmed: () => Promise<void> }> {
  const repository = await makeRepository();
  const first = await repository.ingest(BEFORE);
  const unharmed = async (): Promise<void> => {
    expect(await repository.listSnapshots()).toEqual([first]);
    expect(sha256(await restored(repository, 'latest'))).toBe(sha256(BEFORE));
    expect((await repository.verify({ level: 'full' })).ok).toBe(true);
    // And the same data go in with the next try.
    const { id } = await repository.ingest([PART, PART]);
    expect(sha256(await restored(repository, id))).toBe(sha256(Buffer.concat([PART, PART])));
  };
  return { repository, unharmed };
}

function emitsAnError(): Readable {
  const stream = new PassThrough();
  stream.write(PART);
  stream.on('data', () => stream.destroy(BOOM));
  return stream;
}

const FAILING: Readonly<Record<string, () => ByteSource>> = {
  'an async generator that throws': () => thenThrows(BOOM),
  'a generator that throws': throws,
  'a Readable that is destroyed with an error': () => Readable.from(thenThrows(BOOM)),
  'a stream with an error of its own': emitsAnError,
  'a web stream that errors': () => ReadableStream.from(thenThrows(BOOM)),
  'an iterable that can not be opened': () => ({
    [Symbol.asyncIterator]: () => {
      throw BOOM;
    },
  }),
};

for (const [kind, make] of Object.entries(FAILING)) {
  test(`${kind} leaves no snapshot and is the cause`, async () => {
    const { repository, unharmed } = await withOneBackup();
    const error = await refusal(repository.ingest(make()), 'UNAVAILABLE');
    expect(error.cause).toBe(BOOM);
    expect(error.retry).toBe('never');
    expect(error.message).toBe(
      'The source failed: the dump tool died. No snapshot was made; earlier backups are not touched. Run the backup again with a new source.',
    );
    await unharmed();
  });
}

test('what is thrown need not be an error', async () => {
  const { repository, unharmed } = await withOneBackup();
  for (const thrown of ['text', 7, null, undefined, { code: 'NOT_FOUND' }]) {
    const error = await refusal(repository.ingest(thenThrows(thrown)), 'UNAVAILABLE');
    expect(error.cause).toBe(thrown);
  }
  await unharmed();
});

test('a file that is not there is told, also where its turn would come later', async () => {
  const { repository, unharmed } = await withOneBackup();
  const missing = join(temporaryFolder(), 'missing');
  const single = await refusal(repository.ingest(createReadStream(missing)), 'UNAVAILABLE');
  expect(single.cause).toMatchObject({ code: 'ENOENT', path: missing });
  const late = gate();
  const second = createReadStream(missing);
  second.once('close', () => late.open());
  async function* first(): AsyncGenerator<Uint8Array, void, undefined> {
    yield PART;
    await late.opened;
  }
  const items = [
    { name: 'first', stream: first() },
    { name: 'second', stream: second },
  ];
  const error = await refusal(repository.ingestMulti(items), 'UNAVAILABLE');
  expect(error.cause).toMatchObject({ code: 'ENOENT' });
  await unharmed();
});

test('a stream that is destroyed without an error is not taken for its end', async () => {
  const { repository, unharmed } = await withOneBackup();
  const stream = new PassThrough();
  stream.write(PART);
  stream.on('data', () => stream.destroy());
  const error = await refusal(repository.ingest(stream), 'UNAVAILABLE');
  expect(error.cause).toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
  await unharmed();
});

test('a file that was closed is told', async () => {
  const { repository, unharmed } = await withOneBackup();
  const path = join(temporaryFolder(), 'file');
  writeFileSync(path, PART);
  const file = await open(path);
  await file.close();
  const error = await refusal(repository.ingest(file), 'UNAVAILABLE');
  expect(error.cause).toMatchObject({ code: 'EBADF' });
  await unharmed();
});

test("another repository's damage is the cause, and not this repository's code", async () => {
  const backend = new MemoryBackend();
  const other = await makeRepository(backend);
  await other.ingest(bytes(5, 3_000_000));
  for await (const { key } of backend.list('packs/')) await backend.delete([key]);
  const { repository, unharmed } = await withOneBackup();
  const error = await refusal(repository.ingest(await other.restore('latest')), 'UNAVAILABLE');
  expect(error.cause).toMatchObject({ code: 'CORRUPT' });
  await unharmed();
});

test('when one item fails, the sources of all others are let go', async () => {
  const { repository, unharmed } = await withOneBackup();
  let returned = 0;
  async function* counted(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) yield PART;
    } finally {
      returned += 1;
    }
  }
  const cancelled = gate<unknown>();
  const web = new ReadableStream<Uint8Array>({ cancel: (reason) => cancelled.open(reason) });
  const later = new PassThrough();
  later.write(PART);
  const first = Readable.from([PART]);
  const items = [
    { name: 'first', stream: first },
    { name: 'fails', stream: thenThrows(BOOM) },
    { name: 'never read', stream: later },
    { name: 'never read either', stream: web },
  ];
  await refusal(repository.ingestMulti(items), 'UNAVAILABLE');
  expect(first.destroyed).toBe(true);
  expect(later.destroyed).toBe(true);
  await cancelled.opened;
  const endless = counted();
  const controller = new AbortController();
  const ingest = rejection(
    repository.ingest(endless, { signal: controller.signal, onProgress: () => controller.abort() }),
  );
  await ingest;
  expect(returned).toBe(1);
  await unharmed();
});

test('an abort before the call rejects with its own reason, and nothing is asked or read', async () => {
  const backend = new RecordBackend(new MemoryBackend());
  const repository = await makeRepository(backend);
  const reason = new Error('never mind');
  const stream = Readable.from([PART]);
  backend.reset();
  expect(await rejection(repository.ingest(stream, { signal: AbortSignal.abort(reason) }))).toBe(reason);
  expect(backend.log).toEqual([]);
  expect(stream.destroyed).toBe(false);
  expect((await repository.ingest(stream)).originalSize).toBe(PART.byteLength);
});

for (const reason of [new Error('enough'), 'text', 0, { any: 'thing' }]) {
  test(`an abort midway rejects with its own reason: ${typeof reason}`, async () => {
    const { repository, unharmed } = await withOneBackup();
    const controller = new AbortController();
    async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
      yield PART;
      controller.abort(reason);
      yield PART;
    }
    expect(await rejection(repository.ingest(source(), { signal: controller.signal }))).toBe(reason);
    await unharmed();
  });
}

const HANGING: Readonly<Record<string, (asked: () => void) => ByteSource>> = {
  'an async generator': (asked) =>
    (async function* hanging() {
      yield PART;
      asked();
      await new Promise(() => undefined);
    })(),
  'an iterator that ignores return': (asked) => ({
    [Symbol.asyncIterator]: () => ({
      next: () => {
        asked();
        return new Promise<never>(() => undefined);
      },
      return: () => new Promise<never>(() => undefined),
    }),
  }),
  'a Readable': (asked) => new Readable({ read: () => asked() }),
  'a web stream': (asked) => new ReadableStream<Uint8Array>({ pull: () => asked() }),
};

for (const [kind, make] of Object.entries(HANGING)) {
  test(`${kind} that gives nothing holds neither an abort nor a close`, async () => {
    const { repository, unharmed } = await withOneBackup();
    const controller = new AbortController();
    const asked = gate();
    const source = make(() => asked.open());
    const reason = new Error('waited long enough');
    const ingest = rejection(repository.ingest(source, { signal: controller.signal }));
    await asked.opened;
    controller.abort(reason);
    expect(await ingest).toBe(reason);
    if (source instanceof Readable) expect(source.destroyed).toBe(true);
    await unharmed();
    const again = gate();
    const closed = rejection(repository.ingest(make(() => again.open())));
    await again.opened;
    await repository.close();
    expect(await closed).toMatchObject({ code: 'CLOSED' });
  });
}
