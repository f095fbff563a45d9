import { randomBytes } from 'node:crypto';
import { afterAll, describe } from 'vitest';
import { isAvailable, startMinio, startToxiproxy } from '../servers/index.mjs';
import { engineMatrix } from './matrix.ts';

if (isAvailable('minio', 'toxiproxy')) {
  const [minio, toxiproxy] = await Promise.all([startMinio(), startToxiproxy()]);
  afterAll(async () => Promise.all([minio.stop(), toxiproxy.stop()]));
  const { accessKeyId, secretAccessKey } = minio.credentials;
  const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  Object.assign(process.env, env);
  const [bucket, proxy] = [await minio.createBucket(), await toxiproxy.proxy(minio)];
  const place = (): string => `s3:${proxy.url}/${bucket}/nightly/${randomBytes(4).toString('hex')}`;
  engineMatrix('S3 (MinIO)', { place, env, proxy });
} else describe.skip('the engine on S3 (MinIO)');
