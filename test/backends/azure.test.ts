import { randomBytes } from 'node:crypto';
import { afterAll, describe } from 'vitest';
import { AzureBackend, type AzureBackendOptions } from '../../src/backends/azure/index.ts';
import { type BrokenStore, conformance } from '../../src/testing/index.ts';
import { isAvailable, startAzurite, startToxiproxy } from '../servers/index.mjs';

if (isAvailable('azurite', 'toxiproxy')) {
  const [azurite, toxiproxy] = await Promise.all([startAzurite(), startToxiproxy()]);
  afterAll(async () => Promise.all([azurite.stop(), toxiproxy.stop()]));
  const { name: account, key } = azurite.account;
  process.env['AZURE_STORAGE_KEY'] = key;
  const container = await azurite.createContainer();
  const options: AzureBackendOptions = { container, account, endpoint: azurite.accountUrl };
  process.env['TEST_AZURE'] = JSON.stringify(options);
  const silent = await toxiproxy.proxy(azurite, 'timeout', { timeout: 0 }, { stream: 'upstream' });
  const cut = await toxiproxy.proxy(azurite, 'limit_data', { bytes: 50_000 });
  const mute = await toxiproxy.proxy(azurite, 'limit_data', { bytes: 1 });
  const broken =
    (other: Partial<AzureBackendOptions>): BrokenStore =>
    ({ address = '' }) =>
      new AzureBackend({ ...options, prefix: address, idleTimeoutMs: 1_000, ...other });
  await conformance('Azure Blob Storage on Azurite', {
    place() {
      const address = `place ${randomBytes(4).toString('hex')}/é`;
      return { open: () => new AzureBackend({ ...options, prefix: address }), address };
    },
    spawnable: new URL('programs/azure.mjs', import.meta.url),
    secrets: [key],
    broken: {
      missingBucket: broken({ container: 'no-such-container' }),
      wrongCredentials: broken({ accountKey: 'c3dvcmRmaXNo' }),
      refused: broken({ endpoint: `http://127.0.0.1:1/${account}` }),
      unknownHost: broken({ endpoint: 'http://no-such-host.invalid' }),
      silent: broken({ endpoint: `${silent.url}/${account}` }),
      cutBody: broken({ endpoint: `${cut.url}/${account}` }),
      lostAnswer: broken({ endpoint: `${mute.url}/${account}` }),
    },
  });
} else describe.skip('Azure Blob Storage on Azurite');
