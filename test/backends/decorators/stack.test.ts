/** What passes through every decorator is what the store below gives. */
import { FaultBackend } from '../../../src/backends/decorators/fault.ts';
import { LimitBackend } from '../../../src/backends/decorators/limit.ts';
import { RecordBackend } from '../../../src/backends/decorators/record.ts';
import { RetryBackend } from '../../../src/backends/decorators/retry.ts';
import { ThrottleBackend } from '../../../src/backends/decorators/throttle.ts';
import type { StorageBackend } from '../../../src/core/backend.ts';
import { conformance, MemoryBackend } from '../../../src/testing/index.ts';

/** A place whose instances are `around` one store in memory. */
function around(wrap: (inner: StorageBackend) => StorageBackend) {
  return {
    place() {
      const store = new MemoryBackend({ location: 'memory:test' });
      const seen: RecordBackend[] = [];
      return {
        open() {
          const record = new RecordBackend(store.share());
          seen.push(record);
          return wrap(record);
        },
        requests: () => seen.reduce((sum, { log }) => sum + log.filter(({ outcome }) => outcome === 'ok').length, 0),
      };
    },
    secrets: ['swordfish'],
  };
}

await conformance(
  'all decorators around memory',
  around(
    (inner) =>
      new RetryBackend(
        new LimitBackend(new ThrottleBackend(new FaultBackend(inner), { uploadBytesPerSecond: 2 ** 50 }), 4),
      ),
  ),
);

// Every third put and every fifth delete loses its answer, one in ten calls is refused for a moment: retry hides all of it.
await conformance(
  'retry around a store in trouble',
  around(
    (inner) =>
      new RetryBackend(
        new FaultBackend(inner, {
          seed: 7,
          rates: { UNAVAILABLE: 0.1, RATE_LIMITED: 0.1, 'lost-answer': 0.3 },
        }),
        { attempts: 50, sleep: async () => undefined },
      ),
  ),
);
