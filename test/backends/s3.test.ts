import { afterAll, describe } from 'vitest';
import { conformance } from '../../src/testing/index.ts';
import { isAvailable, startMinio, startToxiproxy } from '../servers/index.mjs';
import { s3Store } from './s3-store.ts';

if (isAvailable('minio', 'toxiproxy')) {
  const [minio, toxiproxy] = await Promise.all([startMinio(), startToxiproxy()]);
  afterAll(async () => Promise.all([minio.stop(), toxiproxy.stop()]));
  const { factory, broken } = await s3Store(minio, toxiproxy);
  const reader = await minio.restricted(['s3:GetObject', 's3:ListBucket']);
  const writer = await minio.restricted(['s3:GetObject', 's3:ListBucket', 's3:PutObject']);
  await conformance('S3 on MinIO', {
    ...factory,
    secrets: [minio.credentials.secretAccessKey, reader.secretAccessKey, reader.sessionToken],
    checksSha256: true,
    broken: {
      ...factory.broken,
      readOnly: broken({ credentials: reader }),
      undeletable: broken({ credentials: writer }),
    },
  });
} else describe.skip('S3 on MinIO');
