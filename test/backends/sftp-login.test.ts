/** Who is at the other end, and who are we: host keys and logins, on OpenSSH and on the double. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { SftpBackend, type SftpBackendOptions } from '../../src/backends/sftp/index.ts';
import { PackvaultError } from '../../src/core/errors.ts';
import { SftpDouble } from '../doubles/sftp.ts';
import { isAvailable, type SshServer, startSshd } from '../servers/index.mjs';

const SECRET = 'swordfish';
const folder = mkdtempSync(join(tmpdir(), 'packvault-sftp-login-'));
afterAll(() => rmSync(folder, { recursive: true }));

function inFolder(name: string, contents: string): string {
  const path = join(folder, name);
  writeFileSync(path, contents, { mode: 0o600 });
  return path;
}

function makeKey(name: string, passphrase = '', type = 'ed25519'): string {
  const path = join(folder, name);
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-f', path]);
  return path;
}

/** What one call comes to: nothing, or an error, which tells no secret. */
async function outcomeOf(options: SftpBackendOptions): Promise<PackvaultError | undefined> {
  const backend = new SftpBackend({ connectTimeoutMs: 10_000, ...options });
  try {
    for await (const _ of backend.list('')) break;
    return undefined;
  } catch (error) {
    if (!PackvaultError.is(error)) throw error;
    expect(inspect(error, { depth: 12, showHidden: true })).not.toContain(SECRET);
    return error;
  } finally {
    await backend[Symbol.asyncDispose]();
  }
}

describe.skipIf(!isAvailable('sshd'))('OpenSSH', () => {
  let server: SshServer;
  let target: SftpBackendOptions;
  const trusting = (): SftpBackendOptions => ({
    ...target,
    hostKey: `ssh-ed25519 ${server.hostKey.toString('base64')}`,
  });

  beforeAll(async () => {
    // Its ECDSA key comes first in the list of nobody but a client who knows it.
    server = await startSshd({ config: [`HostKey ${makeKey('host_ecdsa', '', 'ecdsa')}`] });
    const { host, port, username: user, privateKeyPath, data } = server;
    target = { host, port, user, privateKeyPath, path: join(data, 'repo') };
  });
  afterAll(async () => server.stop());

  describe('host keys', () => {
    test('a server that is in known_hosts is accepted', async () => {
      const knownHosts = inFolder('known', server.knownHosts);
      expect(await outcomeOf({ ...target, knownHosts })).toBeUndefined();
    });

    test('a server that ssh-keygen has hashed in known_hosts is accepted', async () => {
      const knownHosts = inFolder('hashed', server.knownHosts);
      execFileSync('ssh-keygen', ['-q', '-H', '-f', knownHosts], { stdio: 'ignore' });
      expect(await outcomeOf({ ...target, knownHosts })).toBeUndefined();
    });

    test('a server of which only another kind of key is known is asked for that one', async () => {
      const ecdsa = execFileSync('ssh-keygen', ['-y', '-f', join(folder, 'host_ecdsa')], { encoding: 'utf8' });
      const knownHosts = inFolder('ecdsa', `[127.0.0.1]:${server.port} ${ecdsa}`);
      expect(await outcomeOf({ ...target, knownHosts })).toBeUndefined();
    });

    test.each(['', 'missing'])(
      'a server that is not known is UNAUTHENTICATED, and its fingerprint told (%s)',
      async (name) => {
        const knownHosts = name === '' ? inFolder('empty', '\n') : join(folder, name);
        const error = await outcomeOf({ ...target, knownHosts });
        const shown = execFileSync('ssh-keygen', ['-l', '-f', join(server.folder, 'host_key.pub')], {
          encoding: 'utf8',
        });
        const fingerprint = shown.split(' ')[1];
        expect(error).toMatchObject({ code: 'UNAUTHENTICATED', retry: 'never', context: { fingerprint } });
        expect(error?.message).toContain(`is not known (${knownHosts})`);
        expect(error?.message).toContain(`ssh-ed25519 ${fingerprint}`);
        // With the fingerprint, once it was compared, the server is accepted.
        expect(await outcomeOf({ ...target, hostKey: ['SHA256:'.padEnd(50, 'A'), fingerprint ?? ''] })).toBeUndefined();
      },
    );

    test('a server with another key than the known one is UNAUTHENTICATED', async () => {
      const other = execFileSync('ssh-keygen', ['-y', '-f', makeKey('other')], { encoding: 'utf8' });
      const knownHosts = inFolder('changed', `[127.0.0.1]:${server.port} ${other}`);
      const error = await outcomeOf({ ...target, knownHosts });
      expect(error).toMatchObject({ code: 'UNAUTHENTICATED', retry: 'never' });
      expect(error?.message).toContain('is not the one that is known');
      expect(await outcomeOf({ ...target, hostKey: other })).toMatchObject({ code: 'UNAUTHENTICATED' });
    });

    test('a revoked key is refused, also where it is known', async () => {
      const [, ...key] = server.knownHosts.split(' ');
      const knownHosts = inFolder('revoked', `${server.knownHosts}@revoked * ${key.join(' ')}`);
      const error = await outcomeOf({ ...target, knownHosts });
      expect(error).toMatchObject({ code: 'UNAUTHENTICATED' });
      expect(error?.message).toContain('revoked');
    });

    test('the key of the same host on port 22 is accepted, and another one there does not make it a changed one', async () => {
      const bare = server.knownHosts.replace(/^\S+/, '127.0.0.1');
      expect(await outcomeOf({ ...target, knownHosts: inFolder('bare', bare) })).toBeUndefined();
      const other = execFileSync('ssh-keygen', ['-y', '-f', makeKey('port_22')], { encoding: 'utf8' });
      const error = await outcomeOf({ ...target, knownHosts: inFolder('bare', `127.0.0.1 ${other}`) });
      expect(error?.message).toContain('is not known');
    });

    test('knownHosts: false accepts any', async () => {
      expect(await outcomeOf({ ...target, knownHosts: false })).toBeUndefined();
    });

    test('a hostKey that is none is INVALID_ARGUMENT', async () => {
      expect(await outcomeOf({ ...target, hostKey: 'MD5:00:11' })).toMatchObject({ code: 'INVALID_ARGUMENT' });
    });
  });

  test.each(['/bin/false', 'echo Welcome to this server'])(
    'a session that runs %s is UNSUPPORTED',
    async (forceCommand) => {
      const shell = await startSshd({ forceCommand });
      try {
        const { port, privateKeyPath } = shell;
        const error = await outcomeOf({ ...target, port, privateKeyPath, knownHosts: false });
        expect(error).toMatchObject({ code: 'UNSUPPORTED', retry: 'never' });
      } finally {
        await shell.stop();
      }
    },
  );

  describe('logins', () => {
    test('a key is taken as its text too', async () => {
      const { privateKeyPath: _, ...without } = trusting();
      expect(await outcomeOf({ ...without, privateKey: server.privateKey })).toBeUndefined();
      expect(await outcomeOf({ ...without, privateKey: Buffer.from(server.privateKey) })).toBeUndefined();
    });

    test('a key that the server does not know is UNAUTHENTICATED', async () => {
      const error = await outcomeOf({ ...trusting(), privateKeyPath: makeKey('stranger') });
      expect(error).toMatchObject({ code: 'UNAUTHENTICATED', retry: 'never', context: { user: server.username } });
    });

    test('a user whom the server does not know is UNAUTHENTICATED', async () => {
      const error = await outcomeOf({ ...trusting(), user: 'no-such-user' });
      expect(error).toMatchObject({ code: 'UNAUTHENTICATED', context: { user: 'no-such-user' } });
    });

    test('a key with a passphrase needs it, and the passphrase is told to nobody', async () => {
      const path = makeKey('locked', SECRET);
      for (const passphrase of [undefined, 'wrong']) {
        const options = { ...trusting(), privateKeyPath: path, ...(passphrase !== undefined && { passphrase }) };
        const error = await outcomeOf(options);
        expect(error).toMatchObject({ code: 'UNAUTHENTICATED' });
        expect(error?.message).toContain('was not asked');
      }
      // Right: now it is the server that doesn't know this key.
      for (const passphrase of [SECRET, Buffer.from(SECRET)]) {
        const error = await outcomeOf({ ...trusting(), privateKeyPath: path, passphrase });
        expect(error?.message).toContain('does not let');
      }
    });

    test('a key file that is not there is UNAUTHENTICATED', async () => {
      const error = await outcomeOf({ ...trusting(), privateKeyPath: join(folder, 'none') });
      expect(error).toMatchObject({ code: 'UNAUTHENTICATED' });
    });

    test('without anything to log in with, nobody is asked', async () => {
      vi.stubEnv('HOME', join(folder, 'nobody'));
      vi.stubEnv('SSH_AUTH_SOCK', '');
      const { privateKeyPath: _, ...without } = trusting();
      const error = await outcomeOf(without);
      expect(error).toMatchObject({ code: 'UNAUTHENTICATED' });
      expect(error?.message).toContain('SSH_AUTH_SOCK');
    });

    test('what a user has in ~/.ssh is enough', async () => {
      const home = join(folder, 'home');
      mkdirSync(join(home, '.ssh'), { recursive: true });
      inFolder('home/.ssh/known_hosts', server.knownHosts);
      // One with a passphrase is passed over, as is one that is no key at all.
      makeKey('home/.ssh/id_ed25519', SECRET);
      inFolder('home/.ssh/id_ecdsa', 'nothing');
      inFolder('home/.ssh/id_rsa', server.privateKey);
      vi.stubEnv('HOME', home);
      vi.stubEnv('USER', server.username);
      vi.stubEnv('SSH_AUTH_SOCK', join(folder, 'no-agent-here'));
      const { privateKeyPath: _, user: __, ...without } = target;
      expect(await outcomeOf(without)).toBeUndefined();
    });

    test('the keys of an ssh-agent are used, by default and by name', async () => {
      const socket = join(folder, 'agent');
      const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
      try {
        await once(agent.stdout, 'data');
        const env = { ...process.env, SSH_AUTH_SOCK: socket };
        execFileSync('ssh-add', ['-q', server.privateKeyPath], { env, stdio: 'ignore' });
        const { privateKeyPath: _, ...without } = trusting();
        vi.stubEnv('HOME', join(folder, 'nobody'));
        vi.stubEnv('SSH_AUTH_SOCK', '');
        expect(await outcomeOf({ ...without, agent: socket })).toBeUndefined();
        vi.stubEnv('SSH_AUTH_SOCK', socket);
        expect(await outcomeOf(without)).toBeUndefined();
      } finally {
        agent.kill();
        await once(agent, 'exit');
      }
    });
  });
});

describe('the double', () => {
  const held: SftpDouble[] = [];
  afterEach(async () => {
    for (const one of held.splice(0)) await one[Symbol.asyncDispose]();
  });

  async function start(options: Parameters<typeof SftpDouble.start>[0]): Promise<SftpBackendOptions> {
    const double = await SftpDouble.start(options);
    held.push(double);
    return { host: '127.0.0.1', port: double.port, hostKey: double.hostKey, user: 'ann', path: '/home/repo' };
  }

  test.each(['password', 'keyboard-interactive'] as const)('a password is used for a login by %s', async (method) => {
    const target = await start({ password: { method, word: SECRET } });
    expect(await outcomeOf({ ...target, password: SECRET })).toBeUndefined();
    const error = await outcomeOf({ ...target, password: `not ${SECRET.slice(1)}` });
    expect(error).toMatchObject({ code: 'UNAUTHENTICATED', retry: 'never' });
  });

  test('a server without SFTP is UNSUPPORTED', async () => {
    const target = await start({ offersSftp: false });
    const error = await outcomeOf({ ...target, password: SECRET });
    expect(error).toMatchObject({ code: 'UNSUPPORTED', retry: 'never' });
  });
});

afterEach(() => vi.unstubAllEnvs());
