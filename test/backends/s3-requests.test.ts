import { createHash } from 'node:crypto';
import { S3Client } from '@aws-sdk/client-s3';
import { beforeEach, describe, expect, test } from 'vitest';
import type { S3BackendOptions } from '../../src/backends/s3/index.ts';
import type { S3Fault } from '../doubles/s3.ts';
import type { S3Verb } from '../doubles/s3-answers.ts';
import { BODY, double, errorOf, keysOf, open, store } from './s3-on-double.ts';

test('what each verb costs', async () => {
  const costs: Partial<Record<string, Partial<Record<S3Verb, number>>>> = {};
  const cost = async (name: string, call: Promise<unknown>): Promise<void> => {
    double.forget();
    await call;
    costs[name] = double.counts;
  };
  await cost('create', store.put('a', BODY, { mode: 'create', sha256: undefined }));
  await cost('overwrite', store.put('a', new Uint8Array(3_000_000), { mode: 'overwrite' }));
  await cost('get', store.get('a'));
  await cost('range', store.get('a', { offset: 5 }));
  await cost('stat', store.stat('a'));
  await cost('list', keysOf(store));
  await cost('delete', store.delete(['a']));
  await cost('delete of many', store.delete(['a', 'b']));
  await cost('delete of none', store.delete([]));
  expect(costs).toEqual({
    create: { put: 1 },
    overwrite: { put: 1 },
    get: { get: 1 },
    range: { get: 1 },
    stat: { head: 1 },
    list: { list: 1 },
    delete: { delete: 1 },
    'delete of many': { 'delete-batch': 1 },
    'delete of none': {},
  });
});

describe('create', () => {
  test('carries the condition, and is one request', async () => {
    await store.put('a', BODY, { mode: 'create' });
    expect(double.counts).toEqual({ put: 1 });
    expect(double.requests[0]?.headers['if-none-match']).toBe('*');
    expect((await errorOf(store.put('a', BODY, { mode: 'create' }))).code).toBe('ALREADY_EXISTS');
    expect(double.counts).toEqual({ put: 2 });
  });

  test('a conflict with another create under way is UNAVAILABLE and safe', async () => {
    double.add({ fault: { status: 409, code: 'ConditionalRequestConflict' }, times: 1 });
    const error = await errorOf(store.put('a', BODY, { mode: 'create' }));
    expect([error.code, error.retry]).toEqual(['UNAVAILABLE', 'safe']);
    await store.put('a', BODY, { mode: 'create' });
  });

  test('a lost answer is UNAVAILABLE and safe, and the repetition is ALREADY_EXISTS', async () => {
    double.add({ fault: 'lost-answer', times: 1 });
    const error = await errorOf(store.put('a', BODY, { mode: 'create' }));
    expect([error.code, error.retry]).toEqual(['UNAVAILABLE', 'safe']);
    expect((await errorOf(store.put('a', BODY, { mode: 'create' }))).code).toBe('ALREADY_EXISTS');
    expect(await store.get('a')).toEqual(BODY);
  });

  test('a given client that repeated a create by itself does not take its own object for another’s', async () => {
    const { url: endpoint, credentials, region } = double;
    const client = new S3Client({ endpoint, credentials, region, forcePathStyle: true, maxAttempts: 3 });
    const own = open({ client });
    double.add({ fault: 'lost-answer', times: 1 });
    const error = await errorOf(own.put('a', BODY, { mode: 'create' }));
    expect(double.counts).toEqual({ put: 2 });
    // Its endpoint is another's than Amazon's.
    expect(double.requests[0]?.headers).toHaveProperty('content-md5');
    expect([error.code, error.retry]).toEqual(['UNAVAILABLE', 'safe']);
    expect((await errorOf(own.put('a', BODY, { mode: 'create' }))).code).toBe('ALREADY_EXISTS');
    await own[Symbol.asyncDispose]();
    expect((await client.config.credentials()).accessKeyId).toBe(credentials.accessKeyId);
    client.destroy();
  });

  test('a server without conditional puts is remembered: creates look first, and are not exclusive', async () => {
    const unable = open();
    double.add({ fault: { status: 501, code: 'NotImplemented' }, verbs: ['put'], times: 1 });
    expect(unable.capabilities.exclusiveCreate).toBe(true);
    await unable.put('a', BODY, { mode: 'create' });
    expect(unable.capabilities.exclusiveCreate).toBe(false);
    expect(double.counts).toEqual({ put: 2, head: 1, get: 1 });
    expect((await errorOf(unable.put('a', Uint8Array.of(1), { mode: 'create' }))).code).toBe('ALREADY_EXISTS');
    expect(await unable.get('a')).toEqual(BODY);
    const { headers } = double.requests.filter(({ verb }) => verb === 'put')[1] ?? {};
    expect(headers).not.toHaveProperty('if-none-match');
  });

  test('a bare 501 is not taken for want of a condition', async () => {
    double.add({ fault: { status: 501, body: '<html></html>' }, verbs: ['put'], times: 1 });
    expect((await errorOf(store.put('a', BODY, { mode: 'create' }))).code).toBe('UNSUPPORTED');
    expect(store.capabilities.exclusiveCreate).toBe(true);
  });

  test('a server that ignores the condition can be told so', async () => {
    double.add({ fault: 'ignore-condition', verbs: ['put'] });
    await store.put('a', BODY, { mode: 'create' });
    await store.put('a', BODY, { mode: 'create' });
    const told = open({ conditionalWrites: false });
    expect(told.capabilities.exclusiveCreate).toBe(false);
    expect((await errorOf(told.put('a', BODY, { mode: 'create' }))).code).toBe('ALREADY_EXISTS');
  });

  test('where looking is refused, nothing is written', async () => {
    const told = open({ conditionalWrites: false });
    double.add({ fault: { status: 403, code: 'AccessDenied' }, verbs: ['head', 'get'] });
    expect((await errorOf(told.put('a', BODY, { mode: 'create' }))).code).toBe('PERMISSION_DENIED');
    expect(double.counts.put).toBeUndefined();
  });
});

async function headersOf(options: Partial<S3BackendOptions>, known?: Uint8Array): Promise<unknown[]> {
  double.forget();
  await open(options).put('a', BODY, { mode: 'overwrite', sha256: known });
  const { headers = {} } = double.requests[0] ?? {};
  expect(Object.keys(headers).filter((name) => /crc|trailer|^expect$|transfer/.test(name))).toEqual([]);
  expect(headers['content-length']).toBe(String(BODY.byteLength));
  return [headers['content-md5'], headers['x-amz-checksum-sha256'], headers['x-amz-content-sha256']];
}

describe('what the server checks a body against', () => {
  const sha256 = createHash('sha256').update(BODY).digest();
  test('is MD5 and the signed hash on other servers than Amazon’s, SHA-256 there or where it is asked for', async () => {
    const md5 = createHash('md5').update(BODY).digest('base64');
    expect(await headersOf({})).toEqual([md5, undefined, sha256.toString('hex')]);
    expect(await headersOf({}, sha256)).toEqual([md5, undefined, sha256.toString('hex')]);
    const expected = [undefined, sha256.toString('base64'), sha256.toString('hex')];
    expect(await headersOf({ uploadCheck: 'sha256' })).toEqual(expected);
    expect(await headersOf({ uploadCheck: 'sha256' }, sha256)).toEqual(expected);
  });

  test('is the hash that the caller knows: of another body it is refused, and nothing is stored', async () => {
    for (const uploadCheck of ['md5', 'sha256'] as const) {
      const error = await errorOf(open({ uploadCheck }).put('a', BODY, { mode: 'create', sha256: new Uint8Array(32) }));
      expect([error.code, error.retry]).toEqual(['UNAVAILABLE', 'safe']);
    }
    expect(await keysOf(store)).toEqual([]);
  });

  test('is MD5 alone for a batch of deletes', async () => {
    await store.delete(['a', 'b']);
    const { headers = {} } = double.requests[0] ?? {};
    expect(Object.keys(headers).filter((name) => /md5|checksum/.test(name))).toEqual(['content-md5']);
  });
});

describe('get', () => {
  beforeEach(async () => store.put('a', BODY, { mode: 'create' }));

  test('what is refused is not read and holds no connection', async () => {
    const narrow = open({ maxSockets: 2, connectTimeoutMs: 1_000, idleTimeoutMs: 60_000 });
    for (let round = 0; round < 5; round += 1) {
      expect((await errorOf(narrow.get('a', { maxBytes: 9_999 }))).code).toBe('RANGE_INVALID');
      expect((await errorOf(narrow.get('a', { offset: 9_999, length: 2 }))).code).toBe('RANGE_INVALID');
      const end = double.add({ fault: 'ignore-range', verbs: ['get'] });
      expect((await errorOf(narrow.get('a', { offset: 1 }))).code).toBe('RANGE_INVALID');
      end();
    }
    expect(await narrow.get('a', { maxBytes: 10_000 })).toEqual(BODY);
  });

  test('more calls than connections wait for their turn, however long, and none is lost', async () => {
    const narrow = open({ maxSockets: 2, connectTimeoutMs: 100, idleTimeoutMs: 400 });
    double.add({ fault: 'stall', times: 2 });
    const stuck = [1, 2].map(async () => errorOf(narrow.get('a')));
    const waiting = Array.from({ length: 20 }, async () => narrow.get('a'));
    for (const { code, retry } of await Promise.all(stuck)) expect([code, retry]).toEqual(['UNAVAILABLE', 'safe']);
    for (const bytes of await Promise.all(waiting)) expect(bytes).toEqual(BODY);
  });

  test('a call that is aborted while it waits does not ask the server', async () => {
    const narrow = open({ maxSockets: 1 });
    const abort = new AbortController();
    double.forget();
    const first = narrow.get('a');
    const second = narrow.get('a', { signal: abort.signal });
    abort.abort('enough');
    await expect(second).rejects.toBe('enough');
    expect(await first).toEqual(BODY);
    expect(double.counts).toEqual({ get: 1 });
  });
});

test('a server other than Amazon’s is asked by its own name, also if that is localhost', async () => {
  await open({ endpoint: `http://localhost:${double.port}` }).put('a', BODY, { mode: 'create' });
  expect(double.requests[0]).toMatchObject({ bucket: 'bucket', key: 'repository/a' });
});

describe('stat', () => {
  test('asks with HEAD, and for the reason of a refusal with GET', async () => {
    await store.put('a', BODY, { mode: 'create' });
    double.forget();
    expect(await store.stat('a')).toMatchObject({ key: 'a', size: 10_000 });
    expect(double.counts).toEqual({ head: 1 });
    expect((await errorOf(store.stat('b'))).code).toBe('NOT_FOUND');
    expect((await errorOf(open({ bucket: 'none' }).stat('b'))).code).toBe('UNAVAILABLE');
  });

  test('an object that comes between the two is told', async () => {
    await store.put('a', BODY, { mode: 'create' });
    double.add({ fault: { status: 404 }, verbs: ['head'], times: 1 });
    expect(await store.stat('a')).toMatchObject({ key: 'a', size: 10_000 });
  });
});

const page = (keys: readonly string[], more = ''): S3Fault => ({
  status: 200,
  body: `<ListBucketResult><Name>bucket</Name>${more === '' ? '<IsTruncated>false</IsTruncated>' : more}${keys
    .map(
      (key) =>
        `<Contents><Key>repository/${key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>`,
    )
    .join('')}</ListBucketResult>`,
});
const truncated = (token: string): string =>
  `<IsTruncated>true</IsTruncated>${token && `<NextContinuationToken>${token}</NextContinuationToken>`}`;

describe('list', () => {
  test('one request for a thousand objects, and keys of others are left out', async () => {
    const objects = double.buckets.get('bucket');
    const object = { body: Buffer.from('x'), etag: '"x"', modifiedAt: new Date() };
    for (let index = 0; index < 2_345; index += 1) objects?.set(`repository/k${10_000 + index}`, object);
    for (const foreign of [
      'repository/A',
      'repository/a b',
      'repository/x\u0001y',
      'repository/ü',
      'repository/z/',
      'other/k',
    ])
      objects?.set(foreign, object);
    objects?.set('repositoryk', object);
    const keys = await keysOf(store);
    expect([keys.length, keys[0], keys.at(-1)]).toEqual([2_345, 'k10000', 'k12344']);
    expect(double.counts).toEqual({ list: 3 });
    expect(await keysOf(store, 'k1234')).toEqual(['k12340', 'k12341', 'k12342', 'k12343', 'k12344']);
  });

  test('what comes twice is listed once', async () => {
    double.add({ fault: page(['a', 'b'], truncated('1')), times: 1 });
    double.add({ fault: page(['b', 'c']), times: 1 });
    expect(await keysOf(store)).toEqual(['a', 'b', 'c']);
  });

  test('a listing out of order is UNSUPPORTED', async () => {
    double.add({ fault: page(['b', 'a']) });
    expect((await errorOf(keysOf(store))).code).toBe('UNSUPPORTED');
  });

  test('a listing that cannot go on, or never ends, is UNAVAILABLE', async () => {
    const end = double.add({ fault: page(['a'], truncated('')) });
    expect((await errorOf(keysOf(store))).code).toBe('UNAVAILABLE');
    end();
    double.add({ fault: page(['a'], truncated('1')) });
    expect((await errorOf(keysOf(store))).code).toBe('UNAVAILABLE');
  });

  test('a failure on a later page is told, and what came before is not taken for all', async () => {
    double.add({ fault: page(['a', 'b'], truncated('1')), times: 1 });
    double.add({ fault: { status: 503, code: 'SlowDown' } });
    expect((await errorOf(keysOf(store))).code).toBe('RATE_LIMITED');
  });
});

describe('delete', () => {
  test('one request for a thousand keys', async () => {
    await store.delete(Array.from({ length: 1_000 }, (_, index) => `k${index}`));
    expect(double.counts).toEqual({ 'delete-batch': 1 });
    const { headers } = double.requests[0] ?? {};
    expect(headers).toHaveProperty('content-md5');
    expect(headers).not.toHaveProperty('x-amz-checksum-crc32');
  });

  test('a key that the server keeps is told', async () => {
    const body = `<DeleteResult><Deleted><Key>repository/a</Key></Deleted>
      <Error><Key>repository/b</Key><Code>NoSuchKey</Code><Message>none</Message></Error>
      <Error><Key>repository/c</Key><Code>AccessDenied</Code><Message>no</Message></Error>
      <Error><Key>repository/d</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>`;
    double.add({ fault: { status: 200, body } });
    const error = await errorOf(store.delete(['a', 'b', 'c', 'd']));
    expect([error.code, error.context['key']]).toEqual(['PERMISSION_DENIED', 'c']);
    expect(String(error.cause)).toContain('1 more');
  });

  test('a key that a server without batches keeps is told, by its own name', async () => {
    double.add({ fault: { status: 501, code: 'NotImplemented' }, verbs: ['delete-batch'] });
    double.add({ fault: { status: 403, code: 'AccessDenied' }, verbs: ['delete'], times: 1 });
    const error = await errorOf(open({ maxSockets: 1 }).delete(['a', 'b']));
    expect([error.code, error.context['key']]).toEqual(['PERMISSION_DENIED', 'a']);
  });

  test('a server without batches is remembered, and asked for each key', async () => {
    await store.put('a', BODY, { mode: 'create' });
    await store.put('b', BODY, { mode: 'create' });
    double.add({ fault: { status: 501, code: 'NotImplemented' }, verbs: ['delete-batch'] });
    await store.delete(['a', 'b', 'c']);
    await store.delete(['a', 'b']);
    expect(double.counts).toMatchObject({ delete: 5, 'delete-batch': 1 });
    expect(await keysOf(store)).toEqual([]);
  });
});
