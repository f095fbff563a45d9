import nodeFileSystem from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LocalBackend } from '../../src/backends/local/index.ts';
import type { FileSystem } from '../../src/backends/local/options.ts';
import { refusal } from '../support/repositories.ts';
import { temporaryFolder } from '../support/folders.ts';

/** As Node 20 answers on a read-only file system: a recursive mkdir hides the reason. */
const READ_ONLY: FileSystem = {
  ...nodeFileSystem,
  mkdir: ((path: string, options?: { readonly recursive?: boolean }) => {
    const code = options?.recursive === true ? 'ENOENT' : 'EROFS';
    return Promise.reject(Object.assign(new Error(`${code}: mkdir '${path}'`), { code }));
  }) as FileSystem['mkdir'],
};

test('a first put to a read-only disk says that the disk is read-only', async () => {
  const backend = new LocalBackend({ path: join(temporaryFolder(), 'repository'), fileSystem: READ_ONLY });
  const error = await refusal(backend.put('a', new Uint8Array(1), { mode: 'create' }), 'PERMISSION_DENIED');
  expect(error.context['errno']).toBe('EROFS');
  expect(error.message).toContain('read-only');
});
