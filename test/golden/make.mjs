// node test/golden/make.mjs [--force] [NAME...]: makes golden repositories (see make.ts). Vitest translates the TypeScript.
import { fileURLToPath } from 'node:url';
import { startVitest } from 'vitest/node';

process.env['GOLDEN_MAKE'] = JSON.stringify(process.argv.slice(2));
await startVitest('test', [], {
  config: false,
  root: fileURLToPath(new URL('../..', import.meta.url)),
  include: ['test/golden/make.ts'],
  watch: false,
  testTimeout: 600_000,
});
