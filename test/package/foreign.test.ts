/** A backend that is written elsewhere: with what the built package exports, and nothing else, it passes the suite and holds a repository. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import type { Repository as RepositoryClass, StorageBackend } from '../../src/index.ts';
import type { conformance as Conformance } from '../../src/testing/index.ts';
import { bytes } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';
import { restored, SMALL } from '../support/repositories.ts';

const FOLDER = fileURLToPath(new URL('foreign/', import.meta.url));

// Variables, because their types exist only when the package is built.
const [own, main, testing]: string[] = ['./foreign/index.mjs', '../../dist/index.js', '../../dist/testing/index.js'];
const { FlatBackend } = (await import(own ?? '')) as {
  FlatBackend: new (options: { readonly folder: string }) => StorageBackend;
};
const { Repository } = (await import(main ?? '')) as { Repository: typeof RepositoryClass };
const { conformance } = (await import(testing ?? '')) as { conformance: typeof Conformance };

const PLACES = mkdtempSync(join(tmpdir(), 'packvault-'));
afterAll(() => rmSync(PLACES, { recursive: true, force: true }));

await conformance('a store of somebody else', {
  place() {
    const folder = mkdtempSync(join(PLACES, 'place-'));
    return { open: () => new FlatBackend({ folder }) };
  },
});

test('it imports nothing but packvault, Node and itself', () => {
  const files = readdirSync(FOLDER);
  expect(files.toSorted()).toEqual(['backend.mjs', 'errors.mjs', 'index.mjs', 'options.mjs']);
  for (const file of files) {
    for (const [, from = ''] of readFileSync(join(FOLDER, file), 'utf8').matchAll(/ from '([^']+)'/g)) {
      expect(from, file).toMatch(/^(?:packvault|node:[a-z/]+|\.\/[a-z]+\.mjs)$/);
    }
  }
});

test('it holds a repository', async () => {
  const store = new FlatBackend({ folder: temporaryFolder() });
  const repository = await Repository.init(store, SMALL);
  const { id } = await repository.ingest(bytes(1, 1_000_000));
  expect(Buffer.from(await restored(repository, id)).equals(bytes(1, 1_000_000))).toBe(true);
  expect((await repository.verify({ level: 'full' })).ok).toBe(true);
  await repository.close();
});
