/** A real S3 server as the conformance suite wants it. */
import { randomBytes } from 'node:crypto';
import { S3Backend, type S3BackendOptions } from '../../src/backends/s3/index.ts';
import type { BrokenStore, StoreFactory } from '../../src/testing/index.ts';
import type { S3Server, Toxiproxy } from '../servers/index.mjs';

export interface S3Store {
  readonly factory: StoreFactory;
  /** Instances on a place that differ from healthy ones in these options. */
  readonly broken: (options: Partial<S3BackendOptions>) => BrokenStore;
}

/** Makes a bucket for places. The login goes into the environment, where instances find it by themselves. */
export async function s3Store(server: S3Server, toxiproxy: Toxiproxy): Promise<S3Store> {
  const { url: endpoint, credentials } = server;
  const options: S3BackendOptions = { bucket: await server.createBucket(), endpoint };
  process.env['AWS_ACCESS_KEY_ID'] = credentials.accessKeyId;
  process.env['AWS_SECRET_ACCESS_KEY'] = credentials.secretAccessKey;
  process.env['TEST_S3'] = JSON.stringify(options);
  const silent = await toxiproxy.proxy(server, 'timeout', { timeout: 0 }, { stream: 'upstream' });
  const cut = await toxiproxy.proxy(server, 'limit_data', { bytes: 50_000 });
  const mute = await toxiproxy.proxy(server, 'limit_data', { bytes: 1 });
  const broken =
    (other: Partial<S3BackendOptions>): BrokenStore =>
    ({ address = '' }) =>
      new S3Backend({ ...options, prefix: address, idleTimeoutMs: 1_000, ...other });
  const factory: StoreFactory = {
    place() {
      const address = `place ${randomBytes(4).toString('hex')}/é`;
      return { open: () => new S3Backend({ ...options, prefix: address }), address };
    },
    spawnable: new URL('programs/s3.mjs', import.meta.url),
    secrets: [credentials.secretAccessKey],
    broken: {
      missingBucket: broken({ bucket: 'no-such-bucket' }),
      wrongCredentials: broken({ credentials: { ...credentials, secretAccessKey: 'swordfish' } }),
      refused: broken({ endpoint: 'http://127.0.0.1:1' }),
      unknownHost: broken({ endpoint: 'http://no-such-host.invalid' }),
      silent: broken({ endpoint: silent.url }),
      cutBody: broken({ endpoint: cut.url }),
      lostAnswer: broken({ endpoint: mute.url }),
    },
  };
  return { factory, broken };
}
