/** The suite has teeth: each wrong store fails the one case that names its fault, and each case has a store that it catches. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LocalBackend } from '../../src/backends/local/index.ts';
import type { StorageBackend } from '../../src/core/backend.ts';
import { PackvaultError } from '../../src/core/errors.ts';
import { allCases, MemoryBackend, type StoreFactory, suiteFor } from '../../src/testing/index.ts';
import { brokenFactory, brokenLies } from './liars/broken.ts';
import { instanceLies, SECRET } from './liars/instances.ts';
import { keyLies } from './liars/keys.ts';
import { type Lie, wrong } from './liars/lie.ts';
import { listLies } from './liars/lists.ts';
import { putLies } from './liars/puts.ts';
import { readLies } from './liars/reads.ts';

const OPTIONS = { largeBytes: 500_000, largestBytes: 2_000_000, rounds: 3 };

const healthyLies = [...putLies, ...readLies, ...listLies, ...keyLies, ...instanceLies];

const processLies = [
  { lie: 'racy', fails: 'of creates that race in two processes one wins, and its bytes stay' },
  {
    lie: 'torn-create',
    fails: 'a create whose process is killed has stored all of the object or nothing, and can be repeated',
  },
  { lie: 'torn-overwrite', fails: 'an overwrite whose process is killed has left the old object or the new one' },
];

/** A store in memory that checks checksums. */
function honest(memory: MemoryBackend): StorageBackend {
  return wrong(memory, {
    async put(key, body, options) {
      const { sha256 } = options;
      if (sha256 !== undefined && !createHash('sha256').update(body).digest().equals(sha256)) {
        throw new PackvaultError({ code: 'UNAVAILABLE', message: 'The body is not what was sent.', context: { key } });
      }
      await memory.put(key, body, options);
    },
  });
}

function memoryFactory({ tell }: Pick<Lie, 'tell'>): StoreFactory {
  return {
    place() {
      const memory = new MemoryBackend();
      const wrap = tell();
      return { open: () => wrap(honest(memory.share())) };
    },
    secrets: [SECRET],
    checksSha256: true,
  };
}

/** Honest here, and a liar in the other process. */
function processFactory(lie: string): StoreFactory {
  return {
    async place() {
      const path = await mkdtemp(join(tmpdir(), 'packvault-liar-'));
      return {
        open: () => new LocalBackend(path),
        address: `${lie} ${path}`,
        remove: async () => rm(path, { recursive: true }),
      };
    },
    spawnable: new URL('programs/liar.mjs', import.meta.url),
  };
}

/** The names of the cases that this store fails, of those in which it is asked. */
async function failuresOf(factory: StoreFactory, isAsked: (name: string) => boolean = () => true): Promise<string[]> {
  const suite = await suiteFor(factory, OPTIONS);
  const failures: string[] = [];
  for (const one of suite.cases.filter(({ name }) => isAsked(name))) {
    await suite.run(one).catch(() => failures.push(one.name));
  }
  return failures;
}

function concernsProcesses(name: string): boolean {
  return processLies.some(({ fails }) => fails === name);
}

test('an honest store fails no case', async () => {
  expect(await failuresOf(memoryFactory({ tell: () => (store) => store }))).toEqual([]);
  expect(await failuresOf(brokenFactory())).toEqual([]);
  expect(await failuresOf(processFactory('none'), concernsProcesses)).toEqual([]);
});

describe('a case catches a store in which', () => {
  test.each(healthyLies)('$what', async (lie) => {
    expect(await failuresOf(memoryFactory(lie))).toEqual([lie.fails]);
  });

  test.each(brokenLies)('$what', async ({ lies, fails }) => {
    expect(await failuresOf(brokenFactory(lies))).toEqual([fails]);
  });

  test.each(processLies)('another process is $lie', async ({ lie, fails }) => {
    expect(await failuresOf(processFactory(lie), concernsProcesses)).toEqual([fails]);
  });
});

test('every case has a store that it alone catches', () => {
  const caught = [...healthyLies, ...brokenLies, ...processLies].map(({ fails }) => fails);
  expect([...new Set(caught)].toSorted()).toEqual(allCases.map(({ name }) => name).toSorted());
});

test('no two cases have one name', () => {
  expect(new Set(allCases.map(({ name }) => name)).size).toBe(allCases.length);
});
