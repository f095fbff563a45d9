import { randomBytes } from 'node:crypto';
import { afterAll, describe } from 'vitest';
import { isAvailable, startFakeGcs, startToxiproxy } from '../servers/index.mjs';
import { engineMatrix } from './matrix.ts';

if (isAvailable('fake-gcs', 'toxiproxy')) {
  const [server, toxiproxy] = await Promise.all([startFakeGcs(), startToxiproxy()]);
  afterAll(async () => Promise.all([server.stop(), toxiproxy.stop()]));
  const [bucket, proxy] = [await server.createBucket(), await toxiproxy.proxy(server)];
  const env = { STORAGE_EMULATOR_HOST: proxy.url };
  Object.assign(process.env, env);
  const place = (): string => `gs://${bucket}/nightly/${randomBytes(4).toString('hex')}`;
  engineMatrix('Google Cloud Storage (fake-gcs-server)', { place, env, proxy });
} else describe.skip('the engine on Google Cloud Storage (fake-gcs-server)');
