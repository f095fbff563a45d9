import { randomBytes } from 'node:crypto';
import {
  CreateBucketCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketEncryptionCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { S3Backend } from '../../src/backends/s3/index.ts';
import { Repository } from '../../src/index.ts';
import { isAvailable, type Minio, startMinio } from '../servers/index.mjs';

const [FIRST, SECOND] = [new Uint8Array(10_000).fill(1), new Uint8Array(5_000).fill(2)];

async function keysOf(store: S3Backend): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}

async function assertOrdinary(store: S3Backend): Promise<void> {
  await store.put('a', FIRST, { mode: 'create' });
  await expect(store.put('a', SECOND, { mode: 'create' })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  await store.put('a', SECOND, { mode: 'overwrite' });
  expect(await store.get('a')).toEqual(SECOND);
  expect(await store.get('a', { offset: 4_990, length: 10 })).toEqual(SECOND.slice(4_990));
  expect(await store.stat('a')).toMatchObject({ size: 5_000 });
  await store.put('b', FIRST, { mode: 'create' });
  await store.delete(['a']);
  await expect(store.get('a')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(store.stat('a')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await keysOf(store)).toEqual(['b']);
  await store.put('a', FIRST, { mode: 'create' });
  expect(await store.get('a')).toEqual(FIRST);
  await store.delete(['a', 'b', 'c']);
  expect(await keysOf(store)).toEqual([]);
}

describe.skipIf(!isAvailable('minio'))('buckets of every kind', () => {
  let minio: Minio;
  let client: S3Client;

  beforeAll(async () => {
    minio = await startMinio();
    const { url: endpoint, credentials, region } = minio;
    client = new S3Client({ endpoint, credentials, region, forcePathStyle: true });
  });
  afterAll(async () => {
    client.destroy();
    await minio.stop();
  });

  function open(bucket: string, prefix = 'repository'): S3Backend {
    return new S3Backend({ bucket, prefix, endpoint: minio.url, credentials: minio.credentials });
  }

  test('with versions', async () => {
    const Bucket = await minio.createBucket();
    await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
    await assertOrdinary(open(Bucket));
    const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket }));
    expect(Versions.length).toBeGreaterThan(2);
  });

  test('with object lock', async () => {
    await client.send(new CreateBucketCommand({ Bucket: 'locked', ObjectLockEnabledForBucket: true }));
    await assertOrdinary(open('locked'));
  });

  test('with encryption by default', async () => {
    const Bucket = await minio.createBucket();
    const rule = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' as const } };
    const ServerSideEncryptionConfiguration = { Rules: [rule] };
    await client.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration }));
    await assertOrdinary(open(Bucket));
  });

  test('with encryption and a storage class that the backend asks for', async () => {
    const { url: endpoint, credentials } = minio;
    const bucket = await minio.createBucket();
    const options = { serverSideEncryption: 'AES256', storageClass: 'REDUCED_REDUNDANCY' } as const;
    const store = new S3Backend({ bucket, endpoint, credentials, ...options });
    await assertOrdinary(store);
    await store.put('c', FIRST, { mode: 'create' });
    const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'c' }));
    expect([head.ServerSideEncryption, head.StorageClass]).toEqual(['AES256', 'REDUCED_REDUNDANCY']);
  });

  test('with what others keep there: repositories under prefixes do not see it, nor each other', async () => {
    const Bucket = await minio.createBucket();
    for (const Key of ['a', 'o', 'one-more/a', 'onea', 'one/A', 'one/b c', 'one/ü', 'two/x'])
      await client.send(new PutObjectCommand({ Bucket, Key, Body: 'foreign' }));
    const [one, two] = [open(Bucket, 'one'), open(Bucket, '/two/')];
    expect([await keysOf(one), await keysOf(two)]).toEqual([[], ['x']]);
    await assertOrdinary(one);
    await two.put('a', SECOND, { mode: 'create' });
    await one.delete(['a', 'x']);
    expect([await keysOf(one), await keysOf(two)]).toEqual([[], ['a', 'x']]);
    await expect(one.get('x')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('without permission to list: what is known can be read, and the refusal is told', async () => {
    const bucket = await minio.createBucket();
    const credentials = await minio.restricted(['s3:GetObject', 's3:PutObject']);
    const store = new S3Backend({ bucket, endpoint: minio.url, credentials });
    await store.put('a', FIRST, { mode: 'create' });
    expect(await store.get('a')).toEqual(FIRST);
    await expect(keysOf(store)).rejects.toMatchObject({ code: 'PERMISSION_DENIED', retry: 'never' });
    const refusal = store.get('none').catch((error: Error) => error.message);
    expect(await refusal).toMatch(/s3:ListBucket|No object none/);
  });

  test('without permission to delete: a repository is made, filled, verified and restored', async () => {
    const bucket = await minio.createBucket();
    const credentials = await minio.restricted(['s3:GetObject', 's3:PutObject', 's3:ListBucket']);
    const store = new S3Backend({ bucket, endpoint: minio.url, credentials });
    const options = { passphrase: 'a passphrase for a test', cache: false } as const;
    await (await Repository.init(store, options)).close();
    const repository = await Repository.open(store, options);
    const body = randomBytes(3_000_000);
    const { id } = await repository.ingest([body]);
    expect(await repository.verify({ level: 'full' })).toMatchObject({ ok: true, errors: [] });
    const restored: Buffer[] = [];
    for await (const chunk of await repository.restore(id)) restored.push(chunk as Buffer);
    expect(Buffer.concat(restored).equals(body)).toBe(true);
    await repository.close();
  });
});
