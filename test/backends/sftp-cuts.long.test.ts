/** A connection that ends after any number of bytes, in steps that are shorter than SSH's packets. */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SftpBackend } from '../../src/backends/sftp/index.ts';
import { PackvaultError } from '../../src/core/errors.ts';
import {
  isAvailable,
  type Proxy,
  type SshServer,
  startSshd,
  startToxiproxy,
  type Toxiproxy,
} from '../servers/index.mjs';

const STEP_BYTES = 31;
// A whole put and a get of a small object, from the first packet of the connection, are over by then.
const LAST_BYTES = 9_000;

describe.skipIf(!isAvailable('sshd', 'toxiproxy'))('SFTP', () => {
  let server: SshServer;
  let toxiproxy: Toxiproxy;
  let proxy: Proxy;

  beforeAll(async () => {
    [server, toxiproxy] = await Promise.all([startSshd(), startToxiproxy()]);
    proxy = await toxiproxy.proxy(server);
  });
  afterAll(async () => Promise.all([server.stop(), toxiproxy.stop()]));

  function open(port: number, folder: string): SftpBackend {
    const { username: user, privateKeyPath } = server;
    const hostKey = `ssh-ed25519 ${server.hostKey.toString('base64')}`;
    return new SftpBackend({ host: '127.0.0.1', port, user, privateKeyPath, hostKey, path: join(server.data, folder) });
  }

  test.each(['upstream', 'downstream'] as const)('a cut after any number of bytes, %s', async (stream) => {
    const watcher = open(server.port, stream);
    const outcomes = { failed: 0, passed: 0 };
    for (let bytes = 0; bytes < LAST_BYTES; bytes += STEP_BYTES) {
      const key = `folder/${bytes}`;
      const body = randomBytes(500);
      // A new one would read what earlier cuts left in the folder of temporary files, which is more each time.
      await rm(join(server.data, stream, '.~tmp'), { recursive: true, force: true });
      const near = open(proxy.port, stream);
      const toxic = await proxy.add('limit_data', { bytes }, { stream });
      const put = near.put(key, body, { mode: 'create' });
      const failure: unknown = await put.then(
        () => undefined,
        (error: unknown) => error,
      );
      const there = await watcher.get(key).catch((error: unknown) => error);
      if (failure === undefined) {
        outcomes.passed += 1;
        expect(there, `after ${bytes} bytes`).toEqual(new Uint8Array(body));
      } else {
        outcomes.failed += 1;
        expect(failure, `after ${bytes} bytes`).toMatchObject({ code: 'UNAVAILABLE', retry: 'safe', context: { key } });
        if (!PackvaultError.is(there)) expect(there, `after ${bytes} bytes`).toEqual(new Uint8Array(body));
        else expect(there.code).toBe('NOT_FOUND');
      }
      await proxy.remove(toxic);
      await near.put(key, body, { mode: 'overwrite' });
      expect(await near.get(key), `after ${bytes} bytes`).toEqual(new Uint8Array(body));
      await near[Symbol.asyncDispose]();
    }
    await watcher[Symbol.asyncDispose]();
    // Both, or the steps were too few.
    expect(outcomes.failed).toBeGreaterThan(50);
    expect(outcomes.passed).toBeGreaterThan(10);
  });
});
