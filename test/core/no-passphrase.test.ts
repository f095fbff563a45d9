/** Encryption is never left out by mistake. */
import { expect, test } from 'vitest';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { Repository } from '../../src/index.ts';
import { refusal, SMALL } from '../support/repositories.ts';

test('init refuses a passphrase that is undefined, as that of an environment variable which is not set', async () => {
  const backend = new MemoryBackend();
  const { NO_SUCH_VARIABLE: passphrase } = process.env;
  await refusal(Repository.init(backend, { ...SMALL, passphrase }), 'INVALID_ARGUMENT');
  for await (const { key } of backend.list('')) expect.unreachable(key);
  await (await Repository.init(backend, SMALL)).close();
});
