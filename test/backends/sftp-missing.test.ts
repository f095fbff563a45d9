import { expect, test, vi } from 'vitest';
import { SftpBackend } from '../../src/backends/sftp/index.ts';

vi.mock('ssh2', () => {
  throw Object.assign(new Error("Cannot find package 'ssh2'"), { code: 'ERR_MODULE_NOT_FOUND' });
});

test('without ssh2 the first call is UNSUPPORTED, and says what to install', async () => {
  const backend = new SftpBackend({ host: '127.0.0.1', user: 'ann', path: 'repo' });
  await expect(backend.get('a')).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    retry: 'never',
    message: expect.stringContaining('npm install ssh2'),
    context: { key: 'a' },
  });
  await backend[Symbol.asyncDispose]();
});
