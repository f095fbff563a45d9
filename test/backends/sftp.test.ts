import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { SftpBackend } from '../../src/backends/sftp/index.ts';
import { conformance } from '../../src/testing/index.ts';
import { isAvailable, startSshd } from '../servers/index.mjs';

if (isAvailable('sshd')) {
  const [server, readOnly] = await Promise.all([startSshd(), startSshd({ forceCommand: 'internal-sftp -R' })]);
  afterAll(async () => Promise.all([server.stop(), readOnly.stop()]));
  const { port, username, privateKeyPath, privateKey } = server;
  const hostKey = `ssh-ed25519 ${server.hostKey.toString('base64')}`;
  process.env['PACKVAULT_TEST_SFTP'] = JSON.stringify({ port, username, privateKeyPath, hostKey });
  const login = { host: '127.0.0.1', port, user: username, privateKeyPath, hostKey, connectTimeoutMs: 1_000 };
  const other = { port: readOnly.port, hostKey: `ssh-ed25519 ${readOnly.hostKey.toString('base64')}` };

  await conformance('SFTP on OpenSSH', {
    async place() {
      const folder = await mkdtemp(join(server.data, 'place '));
      return {
        open: () => new SftpBackend({ ...login, path: join(folder, 'répertoire 🗄') }),
        address: join(folder, 'répertoire 🗄'),
        remove: async () => rm(folder, { recursive: true }),
      };
    },
    spawnable: new URL('programs/sftp.mjs', import.meta.url),
    secrets: [privateKey, 'swordfish'],
    broken: {
      wrongCredentials: ({ address = '' }) =>
        new SftpBackend({ host: login.host, port, user: username, hostKey, password: 'swordfish', path: address }),
      readOnly: ({ address = '' }) =>
        new SftpBackend({ ...login, ...other, privateKeyPath: readOnly.privateKeyPath, path: address }),
      refused: ({ address = '' }) => new SftpBackend({ ...login, port: 1, path: address }),
      unknownHost: ({ address = '' }) => new SftpBackend({ ...login, host: 'no-such-host.invalid', path: address }),
    },
  });
}
