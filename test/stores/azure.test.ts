import { randomBytes } from 'node:crypto';
import { afterAll, describe } from 'vitest';
import { isAvailable, startAzurite, startToxiproxy } from '../servers/index.mjs';
import { engineMatrix } from './matrix.ts';

if (isAvailable('azurite', 'toxiproxy')) {
  const [azurite, toxiproxy] = await Promise.all([startAzurite(), startToxiproxy()]);
  afterAll(async () => Promise.all([azurite.stop(), toxiproxy.stop()]));
  const [container, proxy] = [await azurite.createContainer(), await toxiproxy.proxy(azurite)];
  const env = { AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString.replaceAll(azurite.url, proxy.url) };
  Object.assign(process.env, env);
  const place = (): string => `azure:${container}:/nightly/${randomBytes(4).toString('hex')}`;
  engineMatrix('Azure Blob Storage (Azurite)', { place, env, proxy });
} else describe.skip('the engine on Azure Blob Storage (Azurite)');
