/** Whatever goes in, in whatever parts, comes out, in whatever ranges. A failure prints the seed and the smallest case. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Tags } from '../../src/index.ts';
import { bytes } from '../support/data.ts';
import { collect, makeRepository, restored } from '../support/repositories.ts';

/** Parts of items: sizes, and seeds of which some are the same, so that there is something to deduplicate. */
const PARTS = fc.array(fc.record({ seed: fc.integer({ min: 1, max: 4 }), size: fc.nat(60_000) }), { maxLength: 8 });
const NAME = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((name) => !name.includes('\0'));
const ITEMS = fc.uniqueArray(
  fc.record({ name: NAME, type: fc.string({ unit: 'grapheme', maxLength: 40 }), parts: PARTS }),
  {
    minLength: 1,
    maxLength: 5,
    selector: ({ name }) => name,
  },
);

test('items come back byte for byte, whole and in ranges', async () => {
  const repository = await makeRepository();
  const property = fc.asyncProperty(ITEMS, fc.nat(), fc.nat(), async (items, from, count) => {
    const bodies = items.map(({ parts }) => parts.map(({ seed, size }) => bytes(seed, size)));
    const streams = items.map(({ name, type }, at) => ({ name, type, stream: bodies[at] ?? [] }));
    const snapshot = await repository.ingestMulti(streams);
    const found = snapshot.items.map(({ name, type, size }) => ({ name, type, size }));
    const wanted = items.map(({ name, type }, at) => ({
      name,
      type,
      size: Buffer.concat(bodies[at] ?? []).byteLength,
    }));
    expect(found).toEqual(wanted);
    const all = Buffer.concat(bodies.flat());
    expect(Buffer.compare(await restored(repository, snapshot.id), all)).toBe(0);
    const offset = all.byteLength === 0 ? 0 : from % all.byteLength;
    const length = count % (all.byteLength - offset + 1);
    const part = await collect(await repository.restore(snapshot.id, { offset, length }));
    expect(Buffer.compare(part, all.subarray(offset, offset + length))).toBe(0);
    const [first] = items;
    const item = await restored(repository, snapshot.id, first?.name);
    expect(Buffer.compare(item, Buffer.concat(bodies[0] ?? []))).toBe(0);
  });
  await fc.assert(property, { numRuns: 40 });
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);
});

test('tags come back as they were, and find their snapshot', async () => {
  const repository = await makeRepository();
  const text = fc.string({ unit: 'grapheme', maxLength: 60 });
  const property = fc.asyncProperty(fc.dictionary(text, text, { maxKeys: 10 }), async (tags: Tags) => {
    const { id } = await repository.ingest(bytes(1, 10), { tags });
    const found = (await repository.getSnapshot(id)).tags;
    expect(new Map(Object.entries(found))).toEqual(new Map(Object.entries(tags)));
    expect((await repository.listSnapshots({ tags })).map((snapshot) => snapshot.id)).toContain(id);
  });
  await fc.assert(property, { numRuns: 40 });
});
