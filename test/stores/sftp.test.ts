import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { isAvailable, startSshd, startToxiproxy } from '../servers/index.mjs';
import { engineMatrix } from './matrix.ts';

if (isAvailable('sshd', 'toxiproxy')) {
  const [server, toxiproxy] = await Promise.all([startSshd(), startToxiproxy()]);
  afterAll(async () => Promise.all([server.stop(), toxiproxy.stop()]));
  const proxy = await toxiproxy.proxy(server);
  // The user's own key and known_hosts, as the location says nothing of them.
  const home = join(server.folder, 'home');
  await mkdir(join(home, '.ssh'), { recursive: true, mode: 0o700 });
  await copyFile(server.privateKeyPath, join(home, '.ssh', 'id_ed25519'));
  await writeFile(join(home, '.ssh', 'known_hosts'), server.knownHosts.replace(`:${server.port} `, `:${proxy.port} `));
  const env = { HOME: home, SSH_AUTH_SOCK: '' };
  Object.assign(process.env, env);
  const root = `sftp://${server.username}@${proxy.host}:${proxy.port}/${server.data}`;
  engineMatrix('SFTP (OpenSSH)', { place: () => `${root}/${randomBytes(4).toString('hex')}/db`, env, proxy });
} else describe.skip('the engine on SFTP (OpenSSH)');
