import { afterAll, describe } from 'vitest';
import { conformance } from '../../src/testing/index.ts';
import { isAvailable, startFakeGcs, startToxiproxy } from '../servers/index.mjs';
import { gcsStore } from './gcs-store.ts';

// In memory, keys are no paths of files: `a` may be beside `a/b`.
if (isAvailable('fake-gcs', 'toxiproxy')) {
  const [server, toxiproxy] = await Promise.all([startFakeGcs({ memory: true }), startToxiproxy()]);
  afterAll(async () => Promise.all([server.stop(), toxiproxy.stop()]));
  await conformance('Google Cloud Storage on fake-gcs-server in memory', await gcsStore(server, toxiproxy));
} else describe.skip('Google Cloud Storage on fake-gcs-server in memory');
