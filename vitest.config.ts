import { resolve } from 'node:path';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

// The sweeps that take minutes have runs of their own (scripts/test.mjs).
const long = process.env['PACKVAULT_LONG'] === '1';

const config: ViteUserConfig = defineConfig({
  test: {
    include: [long ? 'test/**/*.long.test.ts' : 'test/**/*.test.ts'],
    exclude: long ? [] : ['test/**/*.long.test.ts'],
    // The S3 client would say on standard error of every process that Node 20 is old.
    // And the caches of test repositories are not the user's.
    env: { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true', XDG_CACHE_HOME: resolve('.cache/clients') },
    // A bound for what hangs, not a measure of speed: machines with few cores run several files at once.
    testTimeout: long ? 600_000 : 60_000,
    hookTimeout: 120_000,
    // Half of the time goes into waiting for servers and processes.
    maxWorkers: '100%',
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'lcov'],
    },
  },
});

export default config;
