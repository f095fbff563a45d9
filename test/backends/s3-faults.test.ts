import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { beforeEach, describe, expect, test } from 'vitest';
import { BODY, double, errorOf, open, outcomesOf, store } from './s3-on-double.ts';

const VERBS = ['put', 'get', 'range', 'stat', 'list', 'delete', 'batch'];

function all(outcome: string): Record<string, string> {
  return Object.fromEntries(VERBS.map((verb) => [verb, outcome]));
}

describe('what a server says, and what packvault makes of it', () => {
  const answers: readonly (readonly [number, string, string])[] = [
    [503, 'SlowDown', 'RATE_LIMITED safe'],
    [429, 'TooManyRequests', 'RATE_LIMITED safe'],
    [503, 'ServiceUnavailable', 'UNAVAILABLE safe'],
    [500, 'InternalError', 'UNAVAILABLE safe'],
    [400, 'RequestTimeout', 'UNAVAILABLE safe'],
    [409, 'OperationAborted', 'UNAVAILABLE safe'],
    [403, 'AccessDenied', 'PERMISSION_DENIED never'],
    [403, 'InvalidAccessKeyId', 'UNAUTHENTICATED never'],
    [403, 'SignatureDoesNotMatch', 'UNAUTHENTICATED never'],
    [400, 'ExpiredToken', 'UNAUTHENTICATED never'],
    [403, 'RequestTimeTooSkewed', 'UNAUTHENTICATED safe'],
    [404, 'NoSuchBucket', 'UNAVAILABLE never'],
    [301, 'PermanentRedirect', 'UNAVAILABLE never'],
    [507, 'XMinioStorageFull', 'OUT_OF_SPACE never'],
    [418, 'Teapot', 'UNAVAILABLE never'],
  ];
  for (const [status, code, expected] of answers) {
    test(`${status} ${code} is ${expected}`, async () => {
      expect(await outcomesOf({ status, code })).toEqual(all(expected));
    });
  }

  test('a page of HTML is no answer, whatever its status', async () => {
    const body = '<html><body><p>Bad gateway</body></html>';
    const headers = { 'content-type': 'text/html' };
    expect(await outcomesOf({ status: 502, body, headers })).toEqual(all('UNAVAILABLE safe'));
    expect(await outcomesOf({ status: 404, body, headers })).toEqual(all('UNAVAILABLE never'));
    expect(await outcomesOf({ status: 403, body, headers })).toEqual(all('PERMISSION_DENIED never'));
    expect(await outcomesOf({ status: 407, body, headers })).toEqual(all('UNAVAILABLE never'));
    expect(await outcomesOf({ status: 200, body, headers })).toEqual(all('UNAVAILABLE never'));
    expect(await outcomesOf('html')).toEqual(all('UNAVAILABLE never'));
  });

  test('a connection that is cut before the answer is UNAVAILABLE and safe', async () => {
    expect(await outcomesOf('reset')).toEqual(all('UNAVAILABLE safe'));
  });

  test('silence is UNAVAILABLE and safe', async () => {
    expect(await outcomesOf('stall')).toEqual(all('UNAVAILABLE safe'));
  });

  test('a server that speaks no HTTP, or no TLS, is UNAVAILABLE', async () => {
    const babbler = createServer((socket) => socket.end('220 mail.example.com ESMTP\r\n'));
    await new Promise<void>((resolve) => {
      babbler.listen(0, '127.0.0.1', resolve);
    });
    const { port } = babbler.address() as AddressInfo;
    const babble = await errorOf(open({ endpoint: `http://127.0.0.1:${port}` }).get('a'));
    expect([babble.code, babble.retry]).toEqual(['UNAVAILABLE', 'safe']);
    babbler.close();
    const tls = await errorOf(open({ endpoint: `https://127.0.0.1:${double.port}` }).get('a'));
    expect([tls.code, tls.retry]).toEqual(['UNAVAILABLE', 'never']);
  });

  test('Retry-After is told in milliseconds, be it seconds or a date', async () => {
    const end = double.add({ fault: { status: 503, headers: { 'retry-after': '7' } } });
    expect((await errorOf(store.get('a'))).context['retryAfterMs']).toBe(7_000);
    end();
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    double.add({ fault: { status: 503, code: 'SlowDown', headers: { 'retry-after': date } } });
    const { code, context } = await errorOf(store.get('a'));
    expect(code).toBe('RATE_LIMITED');
    expect(context['retryAfterMs']).toBeGreaterThan(3_000_000);
    expect(context['retryAfterMs']).toBeLessThanOrEqual(3_600_000);
  });

  test('the context tells key, location, status and the name that the server gave', async () => {
    double.add({ fault: { status: 403, code: 'AccessDenied' } });
    expect((await errorOf(store.get('a'))).context).toEqual({
      key: 'a',
      location: `s3:${double.url}/bucket/repository`,
      reason: 'AccessDenied',
      status: 403,
      requestId: 'DOUBLE',
    });
  });
});

describe('a body on its way', () => {
  beforeEach(async () => store.put('a', BODY, { mode: 'create' }));

  test('a body that breaks, stalls or ends early is UNAVAILABLE and safe, whole or in part', async () => {
    for (const fault of ['cut-body', 'stall-body', 'short-body'] as const) {
      const outcome = await outcomesOf(fault);
      expect([fault, outcome['get'], outcome['range']]).toEqual([fault, 'UNAVAILABLE safe', 'UNAVAILABLE safe']);
    }
  });

  test('a body that is longer than its range is refused', async () => {
    const headers = { 'content-range': 'bytes 10-109/10000', etag: '"x"', 'transfer-encoding': 'chunked' };
    double.add({ fault: { status: 206, headers, body: 'x'.repeat(101) } });
    expect((await errorOf(store.get('a', { offset: 10, length: 100 }))).retry).toBe('safe');
  });

  test('a range that is the whole object may be answered with the whole object', async () => {
    double.add({ fault: 'ignore-range' });
    expect(await store.get('a', { offset: 0, length: BODY.byteLength })).toEqual(BODY);
    expect((await errorOf(store.get('a', { offset: 0, length: BODY.byteLength - 1 }))).code).toBe('RANGE_INVALID');
    expect((await errorOf(store.get('a', { offset: 0, length: BODY.byteLength + 1 }))).code).toBe('RANGE_INVALID');
    expect((await errorOf(store.get('a', { offset: 1 }))).code).toBe('RANGE_INVALID');
  });

  test('a part that was not asked for is no whole object', async () => {
    const headers = { 'content-range': 'bytes 0-99/10000', etag: '"x"' };
    for (const status of [200, 206]) {
      const end = double.add({ fault: { status, headers, body: 'x'.repeat(100) } });
      expect((await errorOf(store.get('a'))).code).toBe('UNAVAILABLE');
      end();
    }
  });

  test('a range that is not the one asked for is RANGE_INVALID', async () => {
    expect((await outcomesOf('ignore-range'))['range']).toBe('RANGE_INVALID never');
    for (const range of ['bytes 11-110/10000', 'bytes 10-108/10000', 'bytes 10-109/50', 'bytes */10000', 'nonsense']) {
      const headers = { 'content-range': range, etag: '"x"' };
      const end = double.add({ fault: { status: 206, headers, body: 'x'.repeat(100) } });
      const { code } = await errorOf(store.get('a', { offset: 10, length: 100 }));
      expect([range, code]).toEqual([range, 'RANGE_INVALID']);
      end();
    }
    // The one that is right, so that the others were refused for their range.
    const headers = { 'content-range': 'bytes 10-109/*', etag: '"x"' };
    double.add({ fault: { status: 206, headers, body: 'x'.repeat(100) } });
    expect((await store.get('a', { offset: 10, length: 100 })).byteLength).toBe(100);
  });
});
