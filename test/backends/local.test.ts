import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalBackend } from '../../src/backends/local/index.ts';
import { conformance } from '../../src/testing/index.ts';

await conformance('local', {
  async place() {
    const folder = await mkdtemp(join(tmpdir(), 'packvault local '));
    const path = join(folder, 'répertoire 🗄');
    return {
      open: () => new LocalBackend(path),
      address: path,
      remove: async () => rm(folder, { recursive: true }),
    };
  },
  spawnable: new URL('programs/local.mjs', import.meta.url),
});
