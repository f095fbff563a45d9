import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { isAvailable, startFakeGcs, startSshd, startToxiproxy } from './index.mjs';

const OBTAIN = fileURLToPath(new URL('obtain.mjs', import.meta.url));

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function statusOf(url: string): Promise<number | string> {
  return fetch(url, { signal: AbortSignal.timeout(10_000) }).then(
    ({ status }) => status,
    (error: Error) => (error.cause as { code?: string } | undefined)?.code ?? error.name,
  );
}

describe.skipIf(!isAvailable('fake-gcs', 'toxiproxy', 'sshd'))('a server of the tests', () => {
  test('keeps its port and what it holds over kill -9 and restart, and leaves nothing when it is stopped', async () => {
    const server = await startFakeGcs();
    const { port, folder } = server;
    const bucket = `${server.url}/storage/v1/b/${await server.createBucket()}`;
    expect(await statusOf(bucket)).toBe(200);
    await server.kill9();
    expect([server.pid, await statusOf(bucket)]).toEqual([undefined, 'ECONNREFUSED']);
    await server.restart();
    expect([server.port, await statusOf(bucket)]).toEqual([port, 200]);
    await server.stop();
    await server.stop();
    expect([existsSync(folder), await statusOf(bucket)]).toEqual([false, 'ECONNREFUSED']);
  });

  test('falls silent and speaks again', async () => {
    await using server = await startToxiproxy();
    server.pause();
    const answer = statusOf(`${server.url}/version`);
    server.resume();
    expect(await answer).toBe(200);
    server.pause();
    await server.stop();
    expect(existsSync(server.folder)).toBe(false);
  });

  test('can be cut off by the proxy, slowed down, and healed', async () => {
    await using server = await startFakeGcs({ memory: true });
    await using toxiproxy = await startToxiproxy();
    const proxy = await toxiproxy.proxy(server);
    const health = `${proxy.url}/_internal/healthcheck`;
    expect(await statusOf(health)).toBe(200);
    await proxy.cut();
    expect(await statusOf(health)).toBe('ECONNREFUSED');
    await proxy.heal();
    await proxy.add('limit_data', { bytes: 1 });
    expect(await statusOf(health)).not.toBe(200);
    await proxy.heal();
    expect(await statusOf(health)).toBe(200);
    const broken = await toxiproxy.proxy(server, 'reset_peer', { timeout: 0 });
    expect(await statusOf(`${broken.url}/_internal/healthcheck`)).not.toBe(200);
  });

  test('of SSH has the host key that it says, also after a change', async () => {
    await using server = await startSshd();
    const scan = (): string =>
      spawnSync('ssh-keyscan', ['-t', 'ed25519', '-p', String(server.port), server.host], { encoding: 'utf8' }).stdout;
    const first = server.knownHosts;
    expect(scan()).toBe(first);
    await server.changeHostKey();
    expect(server.knownHosts).not.toBe(first);
    expect(scan()).toBe(server.knownHosts);
    expect(server.knownHosts).toContain(server.hostKey.toString('base64'));
  });

  test('dies with the process that started it, even if that is killed', async () => {
    const program = `
      const { startToxiproxy } = await import(${JSON.stringify(new URL('index.mjs', import.meta.url).href)});
      const { port, folder } = await startToxiproxy();
      console.log(JSON.stringify({ port, folder }));
      setInterval(() => undefined, 60_000);`;
    const owner = spawn(process.execPath, ['--input-type=module', '--eval', program]);
    const line = await new Promise<string>((resolve) => {
      createInterface({ input: owner.stdout }).once('line', resolve);
    });
    const { port, folder } = JSON.parse(line) as { port: number; folder: string };
    expect(existsSync(folder)).toBe(true);
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve) => {
      socket.once('connect', resolve);
    });
    const closed = new Promise((resolve) => {
      socket.once('close', resolve).once('error', () => undefined);
    });
    owner.kill('SIGKILL');
    await closed;
    await vi.waitFor(() => expect(existsSync(folder)).toBe(false), { timeout: 30_000 });
  });
});

function obtainMinio(env: Record<string, string>): [number | null, string] {
  const own = { ...process.env, PACKVAULT_MINIO: '', CI: '', PACKVAULT_REQUIRE_STORES: '', ...env };
  const { status, stderr } = spawnSync(process.execPath, [OBTAIN, 'minio'], { env: own, encoding: 'utf8' });
  return [status, stderr];
}

describe('a server that cannot be had', () => {
  test('is told loudly with what to do, and is an error where stores are required', () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    vi.stubEnv('PACKVAULT_MINIO', '/nowhere/minio');
    vi.stubEnv('CI', '');
    vi.stubEnv('PACKVAULT_REQUIRE_STORES', '');
    expect(isAvailable('minio')).toBe(false);
    expect(said.mock.calls.join('\n')).toMatch(/STORE TESTS SKIPPED: minio \(.*obtain\.mjs minio.*PACKVAULT_MINIO.*\)/);
    for (const name of ['CI', 'PACKVAULT_REQUIRE_STORES']) {
      vi.stubEnv(name, 'true');
      expect(() => isAvailable('minio')).toThrow(/STORE TESTS SKIPPED: minio/);
      vi.stubEnv(name, '');
    }
  });

  test('ends the obtaining with 1 only where stores are required', () => {
    const env = { PACKVAULT_MINIO: '/nowhere/minio' };
    const [status, said] = obtainMinio(env);
    expect(status).toBe(0);
    expect(said).toContain('STORE TESTS SKIPPED: minio (PACKVAULT_MINIO names /nowhere/minio, which does not exist');
    expect(obtainMinio({ ...env, CI: 'true' })[0]).toBe(1);
    expect(obtainMinio({ ...env, PACKVAULT_REQUIRE_STORES: '1' })[0]).toBe(1);
    expect(obtainMinio({ PACKVAULT_MINIO: process.execPath, CI: 'true' })[0]).toBe(0);
  });

  test('for want of Go is named so, and leaves nothing half-built', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'packvault-servers-'));
    const [status, said] = obtainMinio({ PATH: '/nowhere', PACKVAULT_SERVERS: folder });
    expect(status).toBe(0);
    expect(said).toContain('there is no go on this machine; install Go');
    expect(await readdir(folder)).toEqual([]);
    await rm(folder, { recursive: true });
  });
});
