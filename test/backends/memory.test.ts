import { conformance, MemoryBackend } from '../../src/testing/index.ts';

await conformance('memory', {
  place() {
    const store = new MemoryBackend({ location: 'memory:test' });
    return { open: () => store.share() };
  },
  secrets: ['swordfish'],
});
