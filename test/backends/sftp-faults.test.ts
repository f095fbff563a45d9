/** What goes wrong on the way to a server and on its disk: OpenSSH, with Toxiproxy in between. */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server as NetServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ssh2 from 'ssh2';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { SftpBackend, type SftpBackendOptions, type SshClientLike } from '../../src/backends/sftp/index.ts';
import type { ObjectInfo } from '../../src/core/backend.ts';
import { PackvaultError } from '../../src/core/errors.ts';
import {
  isAvailable,
  type Proxy,
  type SshServer,
  startSshd,
  startToxiproxy,
  type Toxiproxy,
} from '../servers/index.mjs';

const MiB = 1024 * 1024;
const isRoot = process.getuid?.() === 0;

async function keysOf(listing: AsyncIterable<ObjectInfo>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of listing) keys.push(key);
  return keys;
}

/** Quicker than a matcher, which compares one byte after the other. */
function areSame(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

/** The error that `work` rejects with; `undefined` if it resolves. */
async function failureOf(work: Promise<unknown>): Promise<PackvaultError | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (PackvaultError.is(error)) return error;
    throw error;
  }
}

describe.skipIf(!isAvailable('sshd', 'toxiproxy'))('SFTP on OpenSSH', () => {
  let server: SshServer;
  let toxiproxy: Toxiproxy;
  const held: AsyncDisposable[] = [];

  beforeAll(async () => {
    [server, toxiproxy] = await Promise.all([startSshd(), startToxiproxy()]);
  });
  afterAll(async () => Promise.all([server.stop(), toxiproxy.stop()]));
  afterEach(async () => {
    for (const one of held.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  });

  function newFolder(): string {
    return mkdtempSync(join(server.data, 'place-'));
  }

  function login(): Omit<SftpBackendOptions, 'path'> {
    const { host, port, username: user, privateKeyPath } = server;
    const hostKey = `ssh-ed25519 ${server.hostKey.toString('base64')}`;
    return { host, port, user, privateKeyPath, hostKey, connectTimeoutMs: 5_000, idleTimeoutMs: 5_000 };
  }

  function open(path: string, options: Partial<SftpBackendOptions> = {}): SftpBackend {
    const backend = new SftpBackend({ ...login(), path, ...options });
    held.push(backend);
    return backend;
  }

  describe('the network', () => {
    let proxy: Proxy;
    beforeAll(async () => {
      proxy = await toxiproxy.proxy(server);
    });
    afterEach(async () => proxy.heal());

    // In the order of a connection: banner, key exchange, login, the start of SFTP, small requests, a body.
    const CUTS = [0, 1, 30, 500, 1_200, 1_800, 2_400, 2_800, 3_200, 3_600, 4_000, 5_000, 6_000, 50_000, 300_000, MiB];

    test.each(CUTS)(
      'a connection that is cut after %i bytes fails one call, and the next one is whole',
      async (bytes) => {
        for (const stream of ['upstream', 'downstream'] as const) {
          const folder = newFolder();
          const [near, watcher] = [open(folder, { port: proxy.port }), open(folder)];
          const body = randomBytes(2 * MiB);
          await watcher.put('old', body, { mode: 'create' });
          const toxic = await proxy.add('limit_data', { bytes }, { stream });
          let failures = 0;
          for (const call of [async () => near.put('new', body, { mode: 'create' }), async () => near.get('old')]) {
            const failure = await failureOf(call());
            if (failure === undefined) continue;
            failures += 1;
            expect(failure).toMatchObject({ code: 'UNAVAILABLE', retry: 'safe' });
            const there = await watcher.get('new').catch(() => undefined);
            if (there !== undefined) expect(areSame(there, body)).toBe(true);
          }
          // Both send more than the toxic lets through, one in each direction.
          expect(failures).toBeGreaterThan(0);
          await proxy.remove(toxic);
          await near.put('new', body, { mode: 'overwrite' });
          expect(areSame(await near.get('new'), body)).toBe(true);
          expect(await keysOf(near.list(''))).toEqual(['new', 'old']);
        }
      },
    );

    test('a cut is noticed: none of the calls on their way is left without an answer', async () => {
      const folder = newFolder();
      const [near, far] = [open(folder, { port: proxy.port }), open(folder)];
      await far.put('a', randomBytes(8 * MiB), { mode: 'create' });
      await near.stat('a');
      await proxy.add('bandwidth', { rate: 100 });
      const calls = Array.from({ length: 20 }, async () => failureOf(near.get('a')));
      await near.stat('a').catch(() => undefined);
      await proxy.cut();
      for (const failure of await Promise.all(calls)) {
        expect(failure).toMatchObject({ code: 'UNAVAILABLE', retry: 'safe', context: { key: 'a' } });
      }
      // Refused by now, and safe to repeat too.
      expect(await failureOf(near.stat('a'))).toMatchObject({ code: 'UNAVAILABLE', retry: 'safe' });
      await proxy.heal();
      expect((await near.stat('a')).size).toBe(8 * MiB);
    });

    test('a server that falls silent is given up, and found again when it speaks', async () => {
      const folder = newFolder();
      const backend = open(folder, { idleTimeoutMs: 300, connectTimeoutMs: 300 });
      await failureOf(backend.put('a', randomBytes(100), { mode: 'create' }));
      server.pause();
      try {
        const failure = await failureOf(backend.stat('a'));
        expect(failure).toMatchObject({ code: 'UNAVAILABLE', retry: 'safe' });
        // Now it is the connection that doesn't come about.
        expect((await failureOf(backend.stat('a')))?.message).toContain('did not answer in time');
      } finally {
        server.resume();
      }
      const patient = open(folder);
      await patient.put('b', randomBytes(100), { mode: 'overwrite' });
      expect(await keysOf(patient.list('b'))).toEqual(['b']);
    });

    test('a server that is killed and started again is found again', async () => {
      const backend = open(newFolder());
      const body = randomBytes(MiB);
      await backend.put('a', body, { mode: 'create' });
      const gets = Array.from({ length: 8 }, async () => failureOf(backend.get('a')));
      await server.kill9();
      for (const failure of await Promise.all(gets)) {
        if (failure !== undefined) expect(failure).toMatchObject({ code: 'UNAVAILABLE', retry: 'safe' });
      }
      await server.restart();
      // The end of the old connection may arrive only now.
      await failureOf(backend.stat('a'));
      expect(areSame(await backend.get('a'), body)).toBe(true);
    });

    test('what is no SSH server is UNAVAILABLE', async () => {
      const page = 'HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html>hello</html>';
      const web = await listen((socket) => socket.on('error', () => undefined).end(page));
      const address = web.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      expect(await failureOf(open('repo', { port }).stat('a'))).toMatchObject({ code: 'UNAVAILABLE' });
      web.close();
    });
  });

  describe('the disk', () => {
    test.runIf(isRoot)(
      'a full one is OUT_OF_SPACE, leaves nothing of the object, and serves what is there',
      async () => {
        const folder = newFolder();
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]);
        try {
          const backend = open(folder);
          const small = randomBytes(200_000);
          await backend.put('small', small, { mode: 'create' });
          for (const mode of ['create', 'overwrite'] as const) {
            const failure = await failureOf(backend.put('large', randomBytes(2 * MiB), { mode }));
            expect(failure).toMatchObject({ code: 'OUT_OF_SPACE', retry: 'never', context: { key: 'large' } });
          }
          expect(await keysOf(backend.list(''))).toEqual(['small']);
          expect(readdirSync(join(folder, '.~tmp'))).toEqual([]);
          expect(areSame(await backend.get('small'), small)).toBe(true);
          execFileSync('mount', ['-o', 'remount,ro', folder]);
          const readOnly = await failureOf(backend.put('more', randomBytes(10), { mode: 'create' }));
          expect(readOnly).toMatchObject({ code: 'PERMISSION_DENIED', retry: 'never' });
          expect(readOnly?.message).toContain('read-only');
        } finally {
          execFileSync('umount', [folder]);
        }
      },
    );

    test('a path under a file is UNSUPPORTED, and nothing is made', async () => {
      const folder = newFolder();
      writeFileSync(join(folder, 'file'), 'x');
      const failure = await failureOf(open(join(folder, 'file', 'repo')).put('a', randomBytes(10), { mode: 'create' }));
      expect(failure).toMatchObject({ code: 'UNSUPPORTED', retry: 'never' });
      expect(readdirSync(folder)).toEqual(['file']);
    });

    test('a folder that disappears while in use is not made again', async () => {
      const folder = newFolder();
      const backend = open(join(folder, 'repo'));
      await backend.put('packs/a', randomBytes(10), { mode: 'create' });
      rmSync(join(folder, 'repo'), { recursive: true });
      const failure = await failureOf(backend.put('packs/b', randomBytes(10), { mode: 'create' }));
      expect(failure).toMatchObject({ code: 'UNAVAILABLE', retry: 'never' });
      expect(existsSync(join(folder, 'repo'))).toBe(false);
    });

    test('foreign files, links and folders do not disturb', async () => {
      const folder = newFolder();
      const backend = open(join(folder, 'repo'));
      const body = randomBytes(100);
      await backend.put('a/one', body, { mode: 'create' });
      mkdirSync(join(folder, 'repo/lost+found'));
      writeFileSync(join(folder, 'repo/.DS_Store'), 'x');
      execFileSync('ln', ['-s', 'nowhere', join(folder, 'repo/broken')]);
      execFileSync('ln', ['-s', 'a/one', join(folder, 'repo/link')]);
      execFileSync('ln', ['-s', 'a', join(folder, 'repo/b')]);
      execFileSync('mkfifo', [join(folder, 'repo/pipe')]);
      expect(await keysOf(backend.list(''))).toEqual(['a/one', 'b/one', 'link']);
      expect(areSame(await backend.get('link'), body)).toBe(true);
      for (const key of ['broken', 'a', 'b', 'pipe']) {
        expect(await failureOf(backend.stat(key))).toMatchObject({ code: 'NOT_FOUND' });
      }
      await backend.delete(['link', 'a', 'broken']);
      expect(await keysOf(backend.list(''))).toEqual(['a/one', 'b/one']);
    });

    test('temporary files that nobody has written to for a day are removed, and no others', async () => {
      const folder = newFolder();
      const temporaries = join(folder, '.~tmp');
      mkdirSync(temporaries);
      const NAMES = ['0123456789abcdef.1.0.aa', '0123456789abcdef.1.0.bb', 'of somebody else'];
      const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000);
      for (const name of NAMES) writeFileSync(join(temporaries, name), 'x');
      for (const name of [NAMES[0], NAMES[2]]) utimesSync(join(temporaries, String(name)), twoDaysAgo, twoDaysAgo);
      const backend = open(folder);
      expect(await keysOf(backend.list(''))).toEqual([]);
      await backend.put('a', randomBytes(10), { mode: 'create' });
      expect(readdirSync(temporaries).toSorted()).toEqual(NAMES.slice(1));
    });
  });

  describe('sessions', () => {
    test('a relative path begins where the session does', async () => {
      const home = newFolder();
      const here = await startSshd({ forceCommand: `internal-sftp -d ${home}` });
      held.push(here);
      const hostKey = `ssh-ed25519 ${here.hostKey.toString('base64')}`;
      const there = { port: here.port, privateKeyPath: here.privateKeyPath, hostKey };
      for (const path of ['repo/one', '.']) {
        const backend = open(path, there);
        await backend.put('a/b', randomBytes(10), { mode: 'create' });
        expect(existsSync(join(home, path, 'a/b'))).toBe(true);
        expect(await keysOf(backend.list('a/'))).toEqual(['a/b']);
      }
    });

    test.runIf(isRoot)('a chrooted session sees its own root', async () => {
      // Every folder above must belong to root alone, which temporary folders don't.
      const jail = mkdtempSync('/run/packvault-jail-');
      const here = await startSshd({ config: [`ChrootDirectory ${jail}`] });
      held.push(here);
      const hostKey = `ssh-ed25519 ${here.hostKey.toString('base64')}`;
      try {
        execFileSync('chmod', ['755', jail]);
        const backend = open('/srv/repo', { port: here.port, privateKeyPath: here.privateKeyPath, hostKey });
        await backend.put('a', randomBytes(10), { mode: 'create' });
        expect(existsSync(join(jail, 'srv/repo/a'))).toBe(true);
      } finally {
        rmSync(jail, { recursive: true });
      }
    });

    test('a client that is ready is used, and left to its owner', async () => {
      const client = await connected(login());
      // Also says that ssh2's own types fit.
      const ready: SshClientLike = client;
      const body = randomBytes(100);
      const folder = newFolder();
      const backend = new SftpBackend({ client: ready, path: folder });
      await backend.put('a', body, { mode: 'create' });
      expect(areSame(await backend.get('a'), body)).toBe(true);
      expect(backend.location).toBe(`sftp:${folder}`);
      await backend[Symbol.asyncDispose]();
      const again = new SftpBackend({ client, path: folder, location: 'sftp:behind-a-gate' });
      expect((await again.stat('a')).size).toBe(100);
      client.end();
      await new Promise<void>((resolve) => {
        client.on('close', () => resolve());
      });
      expect(await failureOf(again.stat('a'))).toMatchObject({ code: 'UNAVAILABLE', retry: 'never' });
    });

    test('a client whose server is silent is given up', async () => {
      const client = await connected(login());
      const backend = new SftpBackend({ client, path: newFolder(), idleTimeoutMs: 300 });
      held.push(backend);
      server.pause();
      try {
        expect(await failureOf(backend.stat('a'))).toMatchObject({ code: 'UNAVAILABLE', retry: 'never' });
      } finally {
        server.resume();
        client.end();
      }
    });

    test('a function that makes clients is asked again when a connection is lost', async () => {
      const clients: ssh2.Client[] = [];
      const make = async (): Promise<SshClientLike> => {
        const client = await connected(login());
        clients.push(client);
        return client;
      };
      const backend = new SftpBackend({ client: make, path: newFolder() });
      held.push(backend);
      await backend.put('a', randomBytes(100), { mode: 'create' });
      clients[0]?.destroy();
      await failureOf(backend.stat('a'));
      expect((await backend.stat('a')).size).toBe(100);
      expect(clients.length).toBe(2);
    });

    test('an idle store keeps no process alive', async () => {
      const folder = newFolder();
      const { port, username, privateKeyPath } = server;
      const hostKey = `ssh-ed25519 ${server.hostKey.toString('base64')}`;
      const env = {
        ...process.env,
        PACKVAULT_TEST_SFTP: JSON.stringify({ port, username, privateKeyPath, hostKey, path: folder }),
      };
      const program = fileURLToPath(new URL('programs/sftp-idle.mjs', import.meta.url));
      const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'inherit', 'inherit'] });
      const code = await new Promise<unknown>((resolve) => {
        child.once('exit', resolve);
      });
      expect(code).toBe(0);
      expect(existsSync(join(folder, 'a'))).toBe(true);
    });
  });
});

async function connected(target: Omit<SftpBackendOptions, 'path'>): Promise<ssh2.Client> {
  const client = new ssh2.Client();
  client.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    client.on('ready', () => resolve());
    const { host, port = 22, user = '', privateKeyPath = '' } = target;
    client.connect({ host, port, username: user, privateKey: readFileSync(privateKeyPath) });
  });
  return client;
}

async function listen(answer: Parameters<typeof createServer>[1]): Promise<NetServer> {
  const listening = createServer(answer as never);
  await new Promise<void>((resolve) => {
    listening.listen(0, '127.0.0.1', resolve);
  });
  return listening;
}
