/** Shared access signatures that allow less than everything, on Azurite, which checks their permissions and their time. */
import {
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { afterAll, describe, expect, test } from 'vitest';
import { AzureBackend } from '../../src/backends/azure/index.ts';
import { Repository } from '../../src/index.ts';
import { isAvailable, startAzurite } from '../servers/index.mjs';
import { bytes, sha256 } from '../support/data.ts';
import { refusal, restored, SMALL } from '../support/repositories.ts';
import { outcomesOf } from './canned-server.ts';

const BODY = bytes(1, 1_000_000);
const HOUR_MS = 3_600_000;

if (isAvailable('azurite')) {
  const azurite = await startAzurite();
  afterAll(() => azurite.stop());
  const { name: account, key } = azurite.account;
  const credential = new StorageSharedKeyCredential(account, key);

  /** A store whose login has these permissions, for an hour from now on, or until `expiresMs` from now. */
  const open = (container: string, permissions: string, expiresMs = HOUR_MS): AzureBackend => {
    const sasToken = generateBlobSASQueryParameters(
      {
        containerName: container,
        permissions: ContainerSASPermissions.parse(permissions),
        startsOn: new Date(Date.now() - 2 * HOUR_MS),
        expiresOn: new Date(Date.now() + expiresMs),
      },
      credential,
    ).toString();
    return new AzureBackend({ container, endpoint: azurite.accountUrl, sasToken });
  };

  /** A container with a repository of one backup. */
  const made = async (): Promise<{ container: string; id: string }> => {
    const container = await azurite.createContainer();
    const repository = await Repository.init(open(container, 'rcwdl'), SMALL);
    const { id } = await repository.ingest(BODY);
    await repository.close();
    return { container, id };
  };

  describe('a signature without a permission', () => {
    const denied: Readonly<Record<string, readonly string[]>> = {
      rcwdl: [],
      cwdl: ['get', 'range', 'stat'],
      rdl: ['put'],
      rcwd: ['list'],
      rcwl: ['delete'],
    };
    for (const [permissions, verbs] of Object.entries(denied)) {
      test(`${permissions}: ${verbs.join(', ') || 'nothing'} is PERMISSION_DENIED, and never repeated`, async () => {
        const outcomes = await outcomesOf(open(await azurite.createContainer(), permissions));
        const refused = Object.entries(outcomes).filter(([, outcome]) => outcome === 'PERMISSION_DENIED never');
        expect(refused.map(([verb]) => verb).toSorted()).toEqual([...verbs].toSorted());
      });
    }

    // Azurite says AuthorizationFailure of it; the cloud says AuthenticationFailed, which is UNAUTHENTICATED (azure-faults.test.ts).
    test('one that has expired is refused for every verb, and never repeated', async () => {
      const outcomes = await outcomesOf(open(await azurite.createContainer(), 'rcwdl', -HOUR_MS));
      expect(new Set(Object.values(outcomes))).toEqual(new Set(['PERMISSION_DENIED never']));
    });
  });

  describe('a repository', () => {
    test('is restored and verified by one who may read and list; a backup is refused and harms nothing', async () => {
      const { container, id } = await made();
      const repository = await Repository.open(open(container, 'rl'), SMALL);
      expect(sha256(await restored(repository, id))).toBe(sha256(BODY));
      expect((await repository.verify({ level: 'full' })).ok).toBe(true);
      await refusal(repository.ingest(bytes(2, 300_000)), 'PERMISSION_DENIED');
      expect(await repository.listSnapshots()).toHaveLength(1);
      await repository.close();
    });

    test('is backed up by one who may not delete; a prune decides, and one who may delete carries it out', async () => {
      const { container } = await made();
      const writer = await Repository.open(open(container, 'rcwl'), SMALL);
      const { id } = await writer.ingest(bytes(2, 300_000));
      await refusal(writer.prune({ keepLast: 1 }), 'PERMISSION_DENIED');
      expect((await writer.listSnapshots()).map((snapshot) => snapshot.id)).toEqual([id]);
      await writer.close();
      const pruner = await Repository.open(open(container, 'rcwdl'), SMALL);
      await pruner.prune({ keepLast: 1 });
      expect((await pruner.verify({ level: 'full' })).ok).toBe(true);
      await pruner.close();
    });

    test('without the right to list is said to be forbidden, not to be empty or damaged', async () => {
      const { container, id } = await made();
      const repository = await Repository.open(open(container, 'rcwd'), SMALL);
      const calls = [
        restored(repository, id),
        repository.listSnapshots(),
        repository.verify(),
        repository.ingest(BODY),
      ];
      for (const call of calls) await refusal(call, 'PERMISSION_DENIED');
      await repository.close();
    });

    test('with an expired login is not opened', async () => {
      const { container } = await made();
      const error = await refusal(Repository.open(open(container, 'rcwdl', -HOUR_MS), SMALL), 'PERMISSION_DENIED');
      expect(error.message).not.toContain('sig=');
    });
  });
} else describe.skip('signatures on Azurite');
