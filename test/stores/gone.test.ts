/** A store that is gone for good: an error that says so, and a repository that is as it was. */
import { randomBytes } from 'node:crypto';
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type PackvaultError, Repository, type RepositoryEvents } from '../../src/index.ts';
import { isAvailable, startMinio, startToxiproxy } from '../servers/index.mjs';
import { bytes, sha256 } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';
import { collect, refusal, restored, SMALL } from '../support/repositories.ts';

// The waits between attempts are tested where they are made; here they would be most of a minute.
vi.mock('../../src/backends/decorators/sleep.ts', () => ({
  sleepFor: async (_ms: number, signal?: AbortSignal) => signal?.throwIfAborted(),
}));

const BODY = bytes(1, 1_500_000);
const ATTEMPTS = 10;

if (isAvailable('minio', 'toxiproxy')) {
  const [minio, toxiproxy] = await Promise.all([startMinio(), startToxiproxy()]);
  afterAll(async () => Promise.all([minio.stop(), toxiproxy.stop()]));
  process.env['AWS_ACCESS_KEY_ID'] = minio.credentials.accessKeyId;
  process.env['AWS_SECRET_ACCESS_KEY'] = minio.credentials.secretAccessKey;
  const [bucket, proxy] = [await minio.createBucket(), await toxiproxy.proxy(minio)];

  test('a store that goes for good in the middle of a backup is an error, and the repository is valid', async () => {
    const location = `s3:${proxy.url}/${bucket}/${randomBytes(4).toString('hex')}`;
    const options = { ...SMALL, packSize: 65_536, cache: temporaryFolder() };
    const repository = await Repository.init(location, options);
    onTestFinished(() => repository.close());
    const { id } = await repository.ingest(BODY);
    const retries: RepositoryEvents['backend:retry'][] = [];
    repository.on('backend:retry', (event) => retries.push(event));
    async function* source(): AsyncGenerator<Uint8Array> {
      yield bytes(2, 600_000);
      await proxy.cut();
      yield bytes(3, 600_000);
    }
    says(await refusal(repository.ingest(source()), 'UNAVAILABLE'), location);
    expect(Math.max(...retries.map(({ attempt }) => attempt))).toBe(ATTEMPTS - 1);
    const work: Record<string, () => Promise<unknown>> = {
      open: () => Repository.open(location, options),
      init: () => Repository.init(`${location}-other`, options),
      verify: () => repository.verify(),
      repair: () => repository.repair(),
      prune: () => repository.prune({ keepLast: 1 }),
      restore: async () => collect(await repository.restore(id)),
      list: () => repository.listSnapshots(),
    };
    for (const verb of Object.values(work)) says(await refusal(verb(), 'UNAVAILABLE'), location);

    await proxy.heal();
    expect((await repository.listSnapshots()).map((snapshot) => snapshot.id)).toEqual([id]);
    expect(sha256(await restored(repository, id))).toBe(sha256(BODY));
    expect((await repository.verify({ level: 'full' })).errors).toEqual([]);
    const next = await repository.ingest(bytes(2, 600_000));
    expect(sha256(await restored(repository, next.id))).toBe(sha256(bytes(2, 600_000)));
  });
} else describe.skip('a store that is gone for good');

/** What a user needs to know: what can't be reached, that it was tried, and nothing that is secret. */
function says(error: PackvaultError, location: string): void {
  expect(error.retry).toBe('exhausted');
  expect(error.message).toContain(`Given up after ${ATTEMPTS} attempts`);
  expect(error.message).toContain(new URL(location.replace('s3:', '')).host);
  expect(JSON.stringify([error.message, error.context])).not.toContain(process.env['AWS_SECRET_ACCESS_KEY']);
}
