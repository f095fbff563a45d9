import { afterAll, describe } from 'vitest';
import { conformance } from '../../src/testing/index.ts';
import { isAvailable, startFakeGcs, startToxiproxy } from '../servers/index.mjs';
import { gcsStore } from './gcs-store.ts';

if (isAvailable('fake-gcs', 'toxiproxy')) {
  const [server, toxiproxy] = await Promise.all([startFakeGcs(), startToxiproxy()]);
  afterAll(async () => Promise.all([server.stop(), toxiproxy.stop()]));
  await conformance('Google Cloud Storage on fake-gcs-server', await gcsStore(server, toxiproxy));
} else describe.skip('Google Cloud Storage on fake-gcs-server');
