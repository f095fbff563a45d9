/** How often a store is asked, and for how many bytes: that is what users pay. */
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { RecordBackend } from '../../src/testing/index.ts';
import { bytes, sha256 } from '../support/data.ts';
import { makeRepository, restored } from '../support/repositories.ts';

// Thirty packs and more; a restore has memory for eight of them.
const BODY = bytes(1, 32_000_000);
const MEMORY = 32 << 20;

function packsRead(recorded: RecordBackend): { requests: number; bytes: number } {
  const gets = recorded.log.filter(({ verb, key }) => verb === 'get' && key.startsWith('packs/data/'));
  return { requests: gets.length, bytes: gets.reduce((sum, get) => sum + get.bytes, 0) };
}

test('a restore fetches each pack once, and what it does before and after is little', async () => {
  const recorded = new RecordBackend(new MemoryBackend());
  const repository = await makeRepository(recorded, { memoryLimit: MEMORY });
  const { id } = await repository.ingest(BODY);
  const { packs } = await repository.stats();
  recorded.reset();
  expect(sha256(await restored(repository, id))).toBe(sha256(BODY));
  const read = packsRead(recorded);
  expect(read.requests).toBeLessThanOrEqual(1.2 * packs);
  expect(read.bytes).toBeLessThan(1.1 * BODY.byteLength);
  const others = recorded.log.filter(({ key }) => !key.startsWith('packs/'));
  expect(others.length).toBeLessThanOrEqual(10);
});

test('a restore whose pieces lie far apart reads each byte about once, within its memory', async () => {
  const recorded = new RecordBackend(new MemoryBackend());
  const repository = await makeRepository(recorded, { memoryLimit: MEMORY });
  await repository.ingest(BODY);
  const size = 800_000;
  const pieces = Array.from({ length: 40 }, (_, at) =>
    BODY.subarray(((at * 17) % 40) * size, (((at * 17) % 40) + 1) * size),
  );
  const { id, reusedChunks, chunkCount } = await repository.ingest(pieces);
  expect(reusedChunks).toBeGreaterThan(0.8 * chunkCount);
  recorded.reset();
  expect(sha256(await restored(repository, id))).toBe(sha256(Buffer.concat(pieces)));
  const read = packsRead(recorded);
  expect(read.bytes).toBeLessThan(1.3 * BODY.byteLength);
});
