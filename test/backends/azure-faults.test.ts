import { ContainerClient } from '@azure/storage-blob';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { AzureBackend, type AzureBackendOptions, parseAzureLocation } from '../../src/backends/azure/index.ts';
import { resolveOptions } from '../../src/backends/azure/options.ts';
import { printable } from '../../src/testing/expect.ts';
import { all, type Canned, errorOf, outcomesOf, startCanned } from './canned-server.ts';

const SAS = 'sv=2024-11-04&ss=b&srt=co&sp=rwdlc&sig=swordfish%3D';
const ID = {
  'x-ms-request-id': '1',
  'x-ms-version': '2025-11-05',
  etag: '"1"',
  'last-modified': new Date(0).toUTCString(),
};

const server = await startCanned();
afterAll(async () => server[Symbol.asyncDispose]());
const open = (other: Partial<AzureBackendOptions> = {}): AzureBackend =>
  new AzureBackend({ container: 'container', endpoint: server.url, sasToken: SAS, idleTimeoutMs: 300, ...other });
const store = open();

function refusal(status: number, code: string, message = 'No.'): Canned {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return { status, headers: { 'content-type': 'application/xml', 'x-ms-error-code': code, ...ID }, body };
}

function part(range: string, body: string): Canned {
  return { status: 206, headers: { ...ID, 'content-range': range }, body };
}

describe('what a server says, and what packvault makes of it', () => {
  const answers: readonly (readonly [number, string, string])[] = [
    [503, 'ServerBusy', 'RATE_LIMITED safe'],
    [500, 'InternalError', 'UNAVAILABLE safe'],
    [500, 'OperationTimedOut', 'UNAVAILABLE safe'],
    [403, 'AuthenticationFailed', 'UNAUTHENTICATED never'],
    [401, 'NoAuthenticationInformation', 'UNAUTHENTICATED never'],
    [403, 'AuthorizationPermissionMismatch', 'PERMISSION_DENIED never'],
    [404, 'ContainerNotFound', 'UNAVAILABLE never'],
    [404, 'ResourceNotFound', 'UNAVAILABLE never'],
    [409, 'ContainerBeingDeleted', 'UNAVAILABLE safe'],
    [409, 'BlobImmutableDueToPolicy', 'PERMISSION_DENIED never'],
    [412, 'LeaseIdMissing', 'PERMISSION_DENIED never'],
    [418, 'Teapot', 'UNAVAILABLE never'],
  ];
  for (const [status, code, expected] of answers) {
    test(`${status} ${code} is ${expected}`, async () => {
      server.say(refusal(status, code));
      expect(await outcomesOf(store)).toEqual(all(expected));
    });
  }

  test('every verb sends one request, and repeats none', async () => {
    server.say(refusal(503, 'ServerBusy'));
    await errorOf(store.get('a'));
    await errorOf(store.put('a', new Uint8Array(10), { mode: 'create' }));
    expect(server.requests.map((request) => request.split(' ')[0])).toEqual(['GET', 'PUT']);
  });

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

  test('a create that meets an object is told so by either of the two errors, an overwrite by none', async () => {
    for (const [status, code] of [
      [409, 'BlobAlreadyExists'],
      [412, 'ConditionNotMet'],
    ] as const) {
      server.say(refusal(status, code));
      expect((await errorOf(store.put('a', new Uint8Array(1), { mode: 'create' }))).code).toBe('ALREADY_EXISTS');
      expect((await errorOf(store.put('a', new Uint8Array(1), { mode: 'overwrite' }))).code).toBe('UNAVAILABLE');
    }
  });

  test('a body that was damaged on its way is refused by the server, and may be sent again', async () => {
    server.say(refusal(400, 'Md5Mismatch'));
    expect((await outcomesOf(store))['put']).toBe('UNAVAILABLE safe');
    server.say({ status: 201, headers: { ...ID, 'content-md5': Buffer.alloc(16).toString('base64') } });
    expect((await outcomesOf(store))['put']).toBe('UNAVAILABLE never');
  });

  test('the pause that the server asks for is told in milliseconds', async () => {
    const { headers, ...rest } = refusal(503, 'ServerBusy');
    server.say({ ...rest, headers: { ...headers, 'retry-after': '7' } });
    expect((await errorOf(store.get('a'))).context['retryAfterMs']).toBe(7_000);
    server.say({ ...rest, headers: { ...headers, 'x-ms-retry-after-ms': '70' } });
    expect((await errorOf(store.get('a'))).context['retryAfterMs']).toBe(70);
  });
});

describe('a body on its way', () => {
  test('a body that breaks or stalls is UNAVAILABLE and safe', async () => {
    const headers = { ...ID, 'content-range': 'bytes 10-109/10000', 'content-length': '100' };
    for (const after of ['cut', 'stall'] as const) {
      server.say({ status: 206, headers, body: 'x'.repeat(50), after });
      expect([after, (await outcomesOf(store))['range']]).toEqual([after, 'UNAVAILABLE safe']);
    }
  });

  test('a range that is not the one asked for is RANGE_INVALID', async () => {
    for (const range of ['bytes 11-110/10000', 'bytes 10-108/10000', 'bytes 10-109/50', 'bytes */10000', 'nonsense']) {
      server.say(part(range, 'x'.repeat(100)));
      expect([range, (await outcomesOf(store))['range']]).toEqual([range, 'RANGE_INVALID never']);
    }
    server.say({ status: 200, headers: ID, body: 'x'.repeat(1_000) });
    expect((await outcomesOf(store))['range']).toBe('RANGE_INVALID never');
    // The one that is right, so that the others were refused for their range.
    server.say(part('bytes 10-109/10000', 'x'.repeat(100)));
    expect((await outcomesOf(store))['range']).toBe('fine');
  });

  test('a read that is refused for its size closes its connection', async () => {
    server.say({ status: 200, headers: { ...ID, 'content-length': '99999' }, body: 'x', after: 'stall' });
    const before = await server.open();
    for (let round = 0; round < 20; round += 1) {
      expect((await errorOf(store.get('a', { maxBytes: 10 }))).code).toBe('RANGE_INVALID');
    }
    expect((await server.open()) - before).toBeLessThan(10);
  });
});

const item = (name: string): string =>
  `<Blob><Name>${name}</Name><Properties><Last-Modified>${ID['last-modified']}</Last-Modified><Content-Length>1</Content-Length></Properties></Blob>`;
const page = (names: readonly string[], next = ''): Canned => ({
  status: 200,
  headers: { ...ID, 'content-type': 'application/xml' },
  body: `<?xml version="1.0"?><EnumerationResults ServiceEndpoint="http://x/" ContainerName="container"><Blobs>${names.map(item).join('')}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`,
});
const keys = async (from: AzureBackend, startAfter = ''): Promise<string[]> => {
  const seen: string[] = [];
  for await (const { key } of from.list('', { startAfter })) seen.push(key);
  return seen;
};

describe('listings', () => {
  test('that come out of order, or in a circle, are refused', async () => {
    server.say(page(['b', 'a']));
    expect((await errorOf(keys(open()))).code).toBe('UNSUPPORTED');
    server.say(page(['a'], 'again'));
    expect((await errorOf(keys(open()))).code).toBe('UNAVAILABLE');
  });

  test('that go on behind a page that was read before do not begin at the first', async () => {
    const pages: Record<string, Canned> = {
      first: page(['a', 'b'], 'two'),
      two: page(['c', 'd'], 'three'),
      three: page(['e']),
    };
    server.say(({ url = '' }) => pages[new URL(url, 'http://x').searchParams.get('marker') ?? 'first'] as Canned);
    const one = open();
    expect(await keys(one)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(server.requests.splice(0)).toHaveLength(3);
    expect(await keys(one, 'd')).toEqual(['e']);
    expect(server.requests.splice(0)).toHaveLength(1);
    expect(await keys(one, 'c')).toEqual(['d', 'e']);
    expect(server.requests.splice(0)).toHaveLength(2);
    expect(await keys(one, 'a')).toEqual(['b', 'c', 'd', 'e']);
    expect(await keys(open(), 'd')).toEqual(['e']);
  });
});

const loginBy = (options: Partial<AzureBackendOptions> = {}): unknown[] => {
  const { login, serviceUrl } = resolveOptions({ container: 'container', ...options });
  return [login.by, serviceUrl];
};

describe('logins and locations', () => {
  test('a signature that stands in every URL is told by no error', async () => {
    for (const answer of [
      refusal(403, 'AuthenticationFailed', `Signature did not match: sig=swordfish%3D`),
      'cut',
      'stall',
    ] as const) {
      server.say(answer);
      const error = await errorOf(store.get('a'));
      expect(printable(error)).not.toContain('swordfish');
    }
    server.say(refusal(403, 'AuthenticationFailed'));
    await errorOf(store.get('a'));
    expect(server.requests.join()).toContain('sig=swordfish');
    expect(store.location).toBe('azure:container:/');
  });

  test('come from the environment, and are sent to no other account', () => {
    vi.stubEnv('AZURE_STORAGE_ACCOUNT', 'mine');
    vi.stubEnv('AZURE_STORAGE_KEY', 'a2V5');
    expect(loginBy()).toEqual(['key', 'https://mine.blob.core.windows.net']);
    expect(loginBy({ account: 'other' })).toEqual(['credential', 'https://other.blob.core.windows.net']);
    expect(loginBy({ sasToken: SAS })[0]).toBe('sas');
    vi.stubEnv('AZURE_STORAGE_CONNECTION_STRING', 'BlobEndpoint=http://x/');
    expect(loginBy()[0]).toBe('connection string');
    expect(loginBy({ account: 'mine' })[0]).toBe('key');
    vi.unstubAllEnvs();
  });

  test('that cannot be are INVALID_ARGUMENT, and nothing of them is repeated', async () => {
    const wrong: readonly Partial<AzureBackendOptions>[] = [
      { container: 'ab' },
      { container: 'a/b' },
      { endpoint: 'https://host/?sig=swordfish' },
      { endpoint: 'swordfish' },
      { connectionString: 'swordfish' },
      { prefix: 'a/../b' },
      { maxSockets: 0 },
    ];
    for (const options of wrong) {
      const make = (): unknown => open(options);
      expect(make, JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
      expect(make, JSON.stringify(options)).not.toThrow(/swordfish/);
    }
    const unreadable = await errorOf(
      new AzureBackend({ container: 'container', connectionString: 'AccountName=a;AccountKey=swordfish' }).get('a'),
    );
    expect([unreadable.code, printable(unreadable).includes('swordfish')]).toEqual(['INVALID_ARGUMENT', false]);
  });

  test('a ready client is used as it is', async () => {
    const client = new ContainerClient(`${server.url}/container?${SAS}`, undefined, { retryOptions: { maxTries: 1 } });
    server.say(refusal(404, 'BlobNotFound'));
    expect((await errorOf(new AzureBackend({ container: 'container', client }).get('a'))).code).toBe('NOT_FOUND');
  });

  test('a location names container and prefix', () => {
    const known = {
      'azure:container': { container: 'container' },
      'azure:container:/': { container: 'container' },
      'azure:container:/a//b é/': { container: 'container', prefix: 'a/b é' },
    };
    for (const [location, expected] of Object.entries(known)) expect(parseAzureLocation(location)).toEqual(expected);
    for (const location of [
      'azure:',
      'azure:/a',
      'azure:https://x/swordfish',
      'azure:c:/a?sig=swordfish',
      's3://b',
      '/a',
    ]) {
      const parse = (): unknown => parseAzureLocation(location);
      expect(parse, location).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
      expect(parse, location).not.toThrow(/swordfish/);
    }
    expect(open({ ...parseAzureLocation('azure:container:/a/b') }).location).toBe('azure:container:/a/b');
  });
});
