import { afterAll, describe, expect, test } from 'vitest';
import { GcsBackend, type GcsBackendOptions, parseGcsLocation } from '../../src/backends/gcs/index.ts';
import { printable } from '../../src/testing/expect.ts';
import { all, type Canned, errorOf, outcomesOf, startCanned } from './canned-server.ts';

const server = await startCanned();
afterAll(async () => server[Symbol.asyncDispose]());
const open = (other: Partial<GcsBackendOptions> = {}): GcsBackend =>
  new GcsBackend({ bucket: 'bucket', apiEndpoint: server.url, idleTimeoutMs: 300, ...other });
const store = open();

function refusal(status: number, reason: string, message = 'No.'): Canned {
  const body = JSON.stringify({ error: { code: status, message, errors: [{ domain: 'global', reason, message }] } });
  return { status, headers: { 'content-type': 'application/json' }, body };
}

function part(range: string, body: string): Canned {
  return { status: 206, headers: { 'content-range': range, 'x-goog-generation': '1' }, body };
}

describe('what a server says, and what packvault makes of it', () => {
  const answers: readonly (readonly [number, string, string])[] = [
    [429, 'rateLimitExceeded', 'RATE_LIMITED safe'],
    [403, 'userRateLimitExceeded', 'RATE_LIMITED safe'],
    [503, 'backendError', 'UNAVAILABLE safe'],
    [500, 'internalError', 'UNAVAILABLE safe'],
    [408, 'requestTimeout', 'UNAVAILABLE safe'],
    [403, 'forbidden', 'PERMISSION_DENIED never'],
    [401, 'authError', 'UNAUTHENTICATED never'],
    [403, 'quotaExceeded', 'OUT_OF_SPACE never'],
    [403, 'retentionPolicyNotMet', 'PERMISSION_DENIED never'],
    [418, 'teapot', 'UNAVAILABLE never'],
  ];
  for (const [status, reason, expected] of answers) {
    test(`${status} ${reason} is ${expected}`, async () => {
      server.say(refusal(status, reason));
      expect(await outcomesOf(store)).toEqual(all(expected));
    });
  }

  test('a page of HTML is no answer, whatever its status', async () => {
    const page = { headers: { 'content-type': 'text/html' }, body: '<html>Welcome' };
    for (const status of [200, 404, 407]) {
      server.say({ status, ...page });
      expect([status, await outcomesOf(store)]).toEqual([status, all('UNAVAILABLE never')]);
    }
    server.say({ status: 502, ...page });
    expect(await outcomesOf(store)).toEqual(all('UNAVAILABLE safe'));
  });

  test('a cut connection and silence are UNAVAILABLE and safe', async () => {
    server.say('cut');
    expect(await outcomesOf(store)).toEqual(all('UNAVAILABLE safe'));
    server.say('stall');
    expect(await outcomesOf(store)).toEqual(all('UNAVAILABLE safe'));
    expect((await errorOf(open({ idleTimeoutMs: 10_000, requestTimeoutMs: 100 }).get('a'))).message).toContain(
      '100 ms',
    );
  });

  test('a missing object is told from a missing bucket, by its message or by a listing', async () => {
    server.say(refusal(404, 'notFound', 'No such object: bucket/a'));
    expect((await errorOf(store.get('a'))).code).toBe('NOT_FOUND');
    expect(server.requests).toHaveLength(1);
    server.say(refusal(404, 'notFound', 'The specified bucket does not exist.'));
    expect(await outcomesOf(store)).toEqual(all('UNAVAILABLE never'));
    server.say(({ url = '' }) =>
      url.includes('maxResults')
        ? { status: 200, body: '{"kind":"storage#objects"}' }
        : { status: 404, body: 'Not Found' },
    );
    expect((await errorOf(store.get('a'))).code).toBe('NOT_FOUND');
    expect((await errorOf(store.stat('a'))).code).toBe('NOT_FOUND');
    server.say({ status: 404, body: 'Not Found' });
    expect((await errorOf(store.get('a'))).code).toBe('UNAVAILABLE');
  });

  test('a body that was damaged on its way is refused by the server, and may be sent again', async () => {
    server.say(refusal(400, 'invalid', 'Provided MD5 hash "a" doesn\'t match calculated MD5 hash "b".'));
    expect((await outcomesOf(store))['put']).toBe('UNAVAILABLE safe');
    server.say({ status: 200, body: JSON.stringify({ name: 'b', size: '9' }) });
    expect((await outcomesOf(store))['put']).toBe('UNAVAILABLE never');
  });

  test('Retry-After is told in milliseconds', async () => {
    server.say({ ...refusal(429, 'rateLimitExceeded'), headers: { 'retry-after': '7' } });
    expect((await errorOf(store.get('a'))).context['retryAfterMs']).toBe(7_000);
  });
});

describe('a body on its way', () => {
  test('a body that breaks, stalls or is longer than announced is UNAVAILABLE and safe', async () => {
    const headers = { 'content-range': 'bytes 10-109/10000', 'x-goog-generation': '1', 'content-length': '100' };
    for (const after of ['cut', 'stall'] as const) {
      server.say({ status: 206, headers, body: 'x'.repeat(50), after });
      expect((await outcomesOf(store))['range']).toBe('UNAVAILABLE safe');
    }
  });

  test('a range that is not the one asked for is RANGE_INVALID', async () => {
    for (const range of ['bytes 11-110/10000', 'bytes 10-108/10000', 'bytes 10-109/50', 'bytes */10000', 'nonsense']) {
      server.say(part(range, 'x'.repeat(100)));
      expect([range, (await outcomesOf(store))['range']]).toEqual([range, 'RANGE_INVALID never']);
    }
    server.say({ status: 200, headers: { 'x-goog-generation': '1' }, body: 'x'.repeat(1_000) });
    expect((await outcomesOf(store))['range']).toBe('RANGE_INVALID never');
    // The one that is right, so that the others were refused for their range.
    server.say(part('bytes 10-109/10000', 'x'.repeat(100)));
    expect((await outcomesOf(store))['range']).toBe('fine');
  });

  test('a read that is refused for its size leaves no connection behind, and hurts no other call', async () => {
    const one = open({ maxSockets: 2 });
    server.say({
      status: 200,
      headers: { 'x-goog-generation': '1', 'content-length': '99999' },
      body: 'x',
      after: 'stall',
    });
    for (let round = 0; round < 6; round += 1) {
      expect((await errorOf(one.get('a', { maxBytes: 10 }))).code).toBe('RANGE_INVALID');
    }
    await one[Symbol.asyncDispose]();
  });
});

const item = (name: string): object => ({ name, size: '1', updated: '2026-01-01T00:00:00Z' });
const page = (names: string[], more = {}): Canned => ({
  status: 200,
  body: JSON.stringify({ kind: 'storage#objects', items: names.map(item), ...more }),
});
const keys = async (): Promise<void> => {
  for await (const _ of store.list(''));
};

describe('listings', () => {
  test('that come out of order, or in a circle, are refused', async () => {
    server.say(page(['b', 'a']));
    expect((await errorOf(keys())).code).toBe('UNSUPPORTED');
    server.say(page(['a'], { nextPageToken: 'again' }));
    expect((await errorOf(keys())).code).toBe('UNAVAILABLE');
  });
});

describe('logins and locations', () => {
  test('a login that Google refuses is UNAUTHENTICATED, and no part of it is told', async () => {
    const failing = (status: number, message: string): GcsBackend => {
      const config = { data: 'assertion=swordfish', headers: { authorization: 'Bearer swordfish' } };
      const error = Object.assign(new Error(message), { name: 'GaxiosError', code: String(status), config });
      const authClient = { getRequestHeaders: async (): Promise<never> => Promise.reject(error) };
      return open({
        client: Object.assign({ useAuthWithCustomEndpoint: true }, { apiEndpoint: server.url, authClient }),
      });
    };
    const refused = failing(400, 'invalid_grant: {"assertion":"swordfish"}, Bearer swordfish');
    expect(await outcomesOf(refused)).toEqual(all('UNAUTHENTICATED never'));
    expect(printable(await errorOf(refused.get('a')))).not.toContain('swordfish');
    expect(await outcomesOf(failing(503, 'try later'))).toEqual(all('UNAVAILABLE safe'));
    const credentials = { client_email: 'a@example.com', private_key: '-----BEGIN PRIVATE KEY-----\nc3dvcmRmaXNo\n' };
    const unreadable = await errorOf(open({ credentials }).get('a'));
    expect(unreadable.code).toBe('UNAUTHENTICATED');
    expect(printable(unreadable)).not.toContain('c3dvcmRmaXNo');
  });

  test('credentials of the environment are not sent to a server that is not Google’s', async () => {
    const seen: unknown[] = [];
    server.say(({ headers }) => {
      seen.push(headers.authorization);
      return refusal(404, 'notFound', 'No such object');
    });
    const authClient = { getRequestHeaders: async () => ({ authorization: 'Bearer swordfish' }) };
    const client = { apiEndpoint: server.url, authClient };
    await errorOf(open({ client }).get('a'));
    await errorOf(open({ client: Object.assign({ useAuthWithCustomEndpoint: true }, client) }).get('a'));
    expect(seen).toEqual([undefined, 'Bearer swordfish']);
  });

  test('a location names bucket and prefix', () => {
    const known = {
      'gs://bucket': { bucket: 'bucket' },
      'gs://bucket/a//b/': { bucket: 'bucket', prefix: 'a/b' },
      'gs:bucket:/': { bucket: 'bucket' },
      'gs:bucket:/a/b é': { bucket: 'bucket', prefix: 'a/b é' },
      'gs:bucket': { bucket: 'bucket' },
    };
    for (const [location, expected] of Object.entries(known)) expect(parseGcsLocation(location)).toEqual(expected);
    for (const location of [
      'gs:',
      'gs://',
      'gs:/a',
      'gs://key:swordfish@bucket/a',
      'gs://bucket/a?b',
      's3://bucket',
      '/a',
    ]) {
      const parse = (): unknown => parseGcsLocation(location);
      expect(parse, location).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
      expect(parse, location).not.toThrow(/swordfish/);
    }
    expect(new GcsBackend(parseGcsLocation('gs:bucket:/a/b')).location).toBe('gs://bucket/a/b');
  });
});
