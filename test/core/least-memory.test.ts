/** Within the least memory that is allowed, nothing waits for memory that only it could give back. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import type { InitOptions } from '../../src/index.ts';
import { needs } from '../../src/core/options.ts';
import { Repository } from '../../src/index.ts';
import { bytes, dump, sha256 } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';
import { makeRepository, restored, SMALL } from '../support/repositories.ts';

const MIB = 1 << 20;
const CHUNKS = { min: 65_536, average: 262_144, max: MIB } as const;
// Everything twice: what occurs again is written to two places of a file.
const HALF = Buffer.concat([bytes(1, 7_000_000), dump(1, 3_000_000)]);
const BODY = Buffer.concat([HALF, HALF]);

/** Answers late, and not in the order in which it was asked. */
class SlowBackend extends MemoryBackend {
  #calls = 0;

  override async put(...given: Parameters<MemoryBackend['put']>): Promise<void> {
    this.#calls += 1;
    for (let turn = this.#calls % 5; turn > 0; turn -= 1) await new Promise((resolve) => setImmediate(resolve));
    await super.put(...given);
  }
}

interface Shape {
  readonly threads: number;
  readonly packSize: number;
  readonly parity: InitOptions['parity'];
  readonly chunking?: InitOptions['chunking'];
}

const SHAPES: readonly Shape[] = [
  { threads: 1, packSize: 65_536, parity: false },
  { threads: 16, packSize: 65_536, parity: false },
  {
    threads: 8,
    packSize: 65_536,
    parity: { data: 2, parity: 2 },
    chunking: { min: 4_096, average: 16_384, max: 524_288 },
  },
  { threads: 8, packSize: MIB, parity: { data: 17, parity: 3 } },
  { threads: 8, packSize: 2 * MIB, parity: { data: 4, parity: 2 } },
  { threads: 3, packSize: 3_000_001, parity: { data: 64, parity: 8 } },
  { threads: 16, packSize: 4 * MIB, parity: { data: 1, parity: 1 } },
  {
    threads: 8,
    packSize: 65_536,
    parity: { data: 3, parity: 1 },
    chunking: { min: 2 * MIB, average: 4 * MIB, max: 8 * MIB },
  },
];

for (const shape of SHAPES) {
  const { threads, packSize, parity, chunking = CHUNKS } = shape;
  const config = { packSize, chunking, parity: parity === false ? null : (parity ?? null) };
  const { write, restore, verify } = needs(config);
  const memoryLimit = Math.max(16 * MIB, Math.ceil((write * 16) / 7), 2 * restore, 2 * verify);
  test(`${JSON.stringify(shape)} works in ${memoryLimit} bytes`, async () => {
    const backend = new SlowBackend();
    const repository = await makeRepository(backend, { threads, packSize, parity, chunking, memoryLimit });
    const items = Array.from({ length: 40 }, (_, at) => ({ name: `${at}`, stream: bytes(at, 3_000 * at) }));
    const [whole] = await Promise.all([repository.ingest(BODY), repository.ingestMulti(items)]);
    expect(sha256(await restored(repository, whole.id))).toBe(sha256(BODY));
    const path = join(temporaryFolder(), 'out');
    expect(await repository.restoreTo(path, whole.id)).toEqual({ bytes: BODY.byteLength, healed: 0 });
    for await (const { key } of backend.list('packs/data/')) {
      await backend.delete([key]);
      break;
    }
    const healed = parity === false ? 0 : 1;
    expect((await repository.repair()).packsRepaired).toBe(healed);
    await repository.ingest(BODY);
    expect(sha256(await restored(repository, whole.id))).toBe(sha256(BODY));
    // Without parity, what only the other snapshot had is lost.
    if (healed === 1) expect((await repository.verify({ level: 'full' })).ok).toBe(true);
  });
}

test('a byte less is refused by init', async () => {
  const config = { packSize: 2 * MIB, chunking: CHUNKS, parity: { data: 4, parity: 2 } };
  const memoryLimit = Math.ceil((needs(config).write * 16) / 7);
  const init = (limit: number): Promise<Repository> =>
    Repository.init(new MemoryBackend(), { ...SMALL, ...config, memoryLimit: limit });
  await expect(init(memoryLimit - 1)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  await (await init(memoryLimit)).close();
});
