/** Every kind of byte source goes in, and the same bytes come out. */
import { createReadStream, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { ByteSource } from '../../src/index.ts';
import { bytes, dump, parts, sha256 } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';
import { makeRepository, refusal, restored } from '../support/repositories.ts';

const SEED = 20_260_301;
const BODY = Buffer.concat([bytes(SEED, 3_000_001), dump(SEED, 500_003)]);

async function* generated(): AsyncGenerator<Uint8Array, void, undefined> {
  for (const part of parts(BODY, SEED)) yield part;
}

function shared(): Uint8Array {
  const view = new Uint8Array(new SharedArrayBuffer(BODY.byteLength + 14), 7, BODY.byteLength);
  view.set(BODY);
  return view;
}

const SOURCES: Readonly<Record<string, () => ByteSource>> = {
  'a Uint8Array': () => Uint8Array.from(BODY),
  'a Buffer': () => BODY,
  'a view into a larger buffer': () => new Uint8Array([1, 2, 3, ...BODY]).subarray(3),
  'a view of shared memory': shared,
  'a Uint8Array of another realm': () => runInNewContext('Uint8Array.from(body)', { body: BODY }) as Uint8Array,
  'an array of parts': () => [...parts(BODY, SEED)],
  'a generator with empty parts': () => parts(BODY, SEED, 3_000),
  'an async generator': generated,
  'a Readable': () => Readable.from(parts(BODY, SEED)),
  'a Readable of odd chunks': () => Readable.from(parts(BODY, SEED, 7_777), { objectMode: false }),
  'a Duplex': () => Readable.from(parts(BODY, SEED)).pipe(new PassThrough()),
  'a web stream': () => ReadableStream.from(generated()),
};

for (const [kind, make] of Object.entries(SOURCES)) {
  test(`${kind} is stored whole (seed ${SEED})`, async () => {
    const repository = await makeRepository();
    const snapshot = await repository.ingest(make(), { sha256: true });
    expect(snapshot.originalSize).toBe(BODY.byteLength);
    expect(snapshot.items).toEqual([expect.objectContaining({ name: 'data', type: 'stream', sha256: sha256(BODY) })]);
    expect(sha256(await restored(repository, snapshot.id))).toBe(sha256(BODY));
  });
}

test('a FileHandle is read from its position to the end, and stays open', async () => {
  const path = join(temporaryFolder(), 'input');
  writeFileSync(path, BODY);
  const file = await open(path);
  await file.read(Buffer.alloc(1_000), 0, 1_000, null);
  const repository = await makeRepository();
  const snapshot = await repository.ingest(file, { sha256: true });
  expect(snapshot.items[0]?.sha256).toBe(sha256(BODY.subarray(1_000)));
  expect((await file.stat()).size).toBe(BODY.byteLength);
  await file.close();
});

test('a file stream is stored whole', async () => {
  const path = join(temporaryFolder(), 'input');
  writeFileSync(path, BODY);
  const repository = await makeRepository();
  const snapshot = await repository.ingest(createReadStream(path), { sha256: true });
  expect(snapshot.items[0]?.sha256).toBe(sha256(BODY));
});

test('a source that ends at once is a valid empty item', async () => {
  const repository = await makeRepository();
  const snapshot = await repository.ingestMulti([
    { name: 'nothing', stream: Readable.from([]) },
    { name: 'empty part', stream: [new Uint8Array(0)] },
    { name: 'empty bytes', stream: new Uint8Array(0) },
  ]);
  expect(snapshot.items.map(({ size, chunkCount }) => [size, chunkCount])).toEqual([
    [0, 0],
    [0, 0],
    [0, 0],
  ]);
  expect(await restored(repository, snapshot.id)).toHaveLength(0);
  expect(await restored(repository, snapshot.id, 'nothing')).toHaveLength(0);
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);
});

test('a thousand small items go into one snapshot', async () => {
  const repository = await makeRepository();
  const items = Array.from({ length: 1_000 }, (_, at) => ({ name: `item ${at}`, stream: bytes(at, at) }));
  const snapshot = await repository.ingestMulti(items);
  expect(snapshot.items).toHaveLength(1_000);
  expect(await restored(repository, snapshot.id, 'item 777')).toEqual(Buffer.from(bytes(777, 777)));
  expect(snapshot.originalSize).toBe((999 * 1_000) / 2);
});

const NO_SOURCES: Readonly<Record<string, unknown>> = {
  text: 'text',
  'a number': 7,
  null: null,
  undefined,
  'a plain object': {},
  'an ArrayBuffer': new ArrayBuffer(4),
};

for (const [kind, value] of Object.entries(NO_SOURCES)) {
  test(`${kind} is no source`, async () => {
    const repository = await makeRepository();
    const error = await refusal(repository.ingest(value as ByteSource), 'INVALID_ARGUMENT');
    expect(error.message).toContain('The source of item "data" is not bytes');
    expect(await repository.listSnapshots()).toEqual([]);
  });
}

const WRONG_PARTS: Readonly<Record<string, () => unknown>> = {
  'text parts': () => Readable.from(['a', 'b']),
  'a stream with an encoding': () => Readable.from([Buffer.from('a')], { objectMode: false }).setEncoding('utf8'),
  numbers: () => [1, 2, 3],
  'a null part': () => [null],
};

for (const [kind, make] of Object.entries(WRONG_PARTS)) {
  test(`a source of ${kind} is refused, and nothing is stored as a snapshot`, async () => {
    const repository = await makeRepository();
    const error = await refusal(repository.ingest(make() as ByteSource), 'INVALID_ARGUMENT');
    expect(error.message).toMatch(/instead of Uint8Array.*No snapshot was made\./);
    expect(await repository.listSnapshots()).toEqual([]);
  });
}

test('a stream that was read to its end is refused: a retry with it would back up nothing', async () => {
  const repository = await makeRepository();
  const stream = Readable.from([Buffer.from('once')]);
  await repository.ingest(stream);
  const error = await refusal(repository.ingest(stream), 'INVALID_ARGUMENT');
  expect(error.message).toContain('was read to its end before');
  expect(await repository.listSnapshots()).toHaveLength(1);
});

test('sources of a call that is refused at once are not touched', async () => {
  const repository = await makeRepository();
  const stream = Readable.from([Buffer.from('kept')]);
  const web = ReadableStream.from([Buffer.from('kept')]);
  const items = [
    { name: 'same', stream },
    { name: 'same', stream: web },
  ];
  await refusal(repository.ingestMulti(items), 'INVALID_ARGUMENT');
  expect(stream.destroyed).toBe(false);
  expect(web.locked).toBe(false);
  const snapshot = await repository.ingestMulti([
    { name: 'a', stream },
    { name: 'b', stream: web },
  ]);
  expect(await restored(repository, snapshot.id)).toEqual(Buffer.from('keptkept'));
});
