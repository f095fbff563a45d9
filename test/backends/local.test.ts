import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalBackend, type LocalBackendOptions } from '../../src/backends/local/index.ts';
import { conformance, type Place } from '../../src/testing/index.ts';
import { refusing } from './quarrelsome-file-system.ts';

async function place(options: Partial<LocalBackendOptions> = {}): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'packvault local '));
  const path = join(folder, 'répertoire 🗄');
  await mkdir(join(folder, 'disk'));
  await symlink(join(folder, 'disk'), path);
  return {
    open: () => new LocalBackend({ ...options, path }),
    address: path,
    remove: async () => rm(folder, { recursive: true }),
  };
}

await conformance('local', { place, spawnable: new URL('programs/local.mjs', import.meta.url) });

await conformance('local, on a file system without hard links', {
  place: async () => place({ fsync: false, fileSystem: refusing('EPERM', ['link']) }),
});
