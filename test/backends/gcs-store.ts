/** An emulator of Google Cloud Storage as the conformance suite wants it. It asks nobody for credentials. */
import { randomBytes } from 'node:crypto';
import { GcsBackend, type GcsBackendOptions } from '../../src/backends/gcs/index.ts';
import type { BrokenStore, StoreFactory } from '../../src/testing/index.ts';
import type { GcsServer, Toxiproxy } from '../servers/index.mjs';

/** Makes a bucket for places. */
export async function gcsStore(server: GcsServer, toxiproxy: Toxiproxy): Promise<StoreFactory> {
  const options: GcsBackendOptions = { bucket: await server.createBucket(), apiEndpoint: server.url };
  process.env['TEST_GCS'] = JSON.stringify(options);
  const silent = await toxiproxy.proxy(server, 'timeout', { timeout: 0 }, { stream: 'upstream' });
  const cut = await toxiproxy.proxy(server, 'limit_data', { bytes: 50_000 });
  const mute = await toxiproxy.proxy(server, 'limit_data', { bytes: 1 });
  const broken =
    (other: Partial<GcsBackendOptions>): BrokenStore =>
    ({ address = '' }) =>
      new GcsBackend({ ...options, prefix: address, idleTimeoutMs: 1_000, ...other });
  return {
    place() {
      const address = `place ${randomBytes(4).toString('hex')}/é`;
      return { open: () => new GcsBackend({ ...options, prefix: address }), address };
    },
    spawnable: new URL('programs/gcs.mjs', import.meta.url),
    broken: {
      missingBucket: broken({ bucket: 'no-such-bucket' }),
      refused: broken({ apiEndpoint: 'http://127.0.0.1:1' }),
      unknownHost: broken({ apiEndpoint: 'http://no-such-host.invalid' }),
      silent: broken({ apiEndpoint: silent.url }),
      cutBody: broken({ apiEndpoint: cut.url }),
      lostAnswer: broken({ apiEndpoint: mute.url }),
    },
  };
}
