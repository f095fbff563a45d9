import { inspect } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { S3Backend } from '../../src/backends/s3/index.ts';
import { S3Double, type S3Fault } from '../doubles/s3.ts';
import { BODY, double, errorOf, keysOf, open, store, TOKEN } from './s3-on-double.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

function signaturesOf({ requests }: S3Double): string[] {
  return requests.map(({ headers }) => /Signature=([0-9a-f]{64})/.exec(headers.authorization ?? '')?.[1] ?? 'none');
}

describe('logins', () => {
  test('a clock that is wrong is put right by the answer, for the next try', async () => {
    await using skewed = await S3Double.start({ clockAheadMs: 3_600_000 });
    skewed.createBucket('bucket');
    const late = open({ endpoint: skewed.url });
    const error = await errorOf(late.put('a', BODY, { mode: 'create' }));
    expect([error.code, error.retry]).toEqual(['UNAUTHENTICATED', 'safe']);
    await late.put('a', BODY, { mode: 'create' });
    await late[Symbol.asyncDispose]();
  });

  test('credentials as a function are asked again when they have expired', async () => {
    let asked = 0;
    const credentials = async (): Promise<typeof double.credentials & { expiration: Date }> => {
      asked += 1;
      return { ...double.credentials, expiration: new Date(asked === 1 ? 0 : Date.now() + 3_600_000) };
    };
    const renewing = open({ credentials });
    await renewing.put('a', BODY, { mode: 'create' });
    await renewing.get('a');
    await renewing.get('a');
    expect(asked).toBe(2);
  });

  test('credentials from the environment are found, and the session token is sent', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', double.credentials.accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', double.credentials.secretAccessKey);
    vi.stubEnv('AWS_SESSION_TOKEN', TOKEN);
    await new S3Backend({ endpoint: double.url, bucket: 'bucket' }).put('a', BODY, { mode: 'create' });
    expect(double.requests[0]?.headers['x-amz-security-token']).toBe(TOKEN);
  });

  test('without credentials the error says where they are looked for', async () => {
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nowhere');
    vi.stubEnv('AWS_CONFIG_FILE', '/nowhere');
    const error = await errorOf(new S3Backend({ endpoint: double.url, bucket: 'bucket' }).get('a'));
    expect([error.code, error.retry]).toEqual(['UNAUTHENTICATED', 'never']);
    expect(error.message).toContain('AWS_ACCESS_KEY_ID');
  });

  test('without a region AWS is not asked', async () => {
    for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3', 'AWS_PROFILE'])
      vi.stubEnv(name, undefined);
    vi.stubEnv('AWS_CONFIG_FILE', '/nowhere');
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nowhere');
    const { credentials } = double;
    const error = await errorOf(new S3Backend({ bucket: 'bucket', credentials }).get('a'));
    expect([error.code, error.retry]).toEqual(['INVALID_ARGUMENT', 'never']);
    expect(error.message).toContain('AWS_REGION');
  });
});

describe('secrets', () => {
  const echo = `Authorization: AWS4-HMAC-SHA256 Credential=DOUBLEACCESSKEY/x, Signature=0123abcd; x-amz-security-token: ${TOKEN}`;
  const body = `<Error><Code>SignatureDoesNotMatch</Code><Message>${echo}</Message><AWSAccessKeyId>DOUBLEACCESSKEY</AWSAccessKeyId><CanonicalRequest>${echo}</CanonicalRequest></Error>`;
  const faults: readonly S3Fault[] = [
    { status: 403, body },
    { status: 500, body },
    { status: 502, body: `<html>${echo}</html>`, headers: { 'content-type': 'text/html' } },
    'reset',
    'cut-body',
    'html',
  ];

  test('no error holds a secret, a signature or a header of the request, wherever one looks', async () => {
    await store.put('a', BODY, { mode: 'create' });
    for (const fault of faults) {
      const end = double.add({ fault });
      const outcomes = await Promise.allSettled([
        store.get('a'),
        store.put('b', BODY, { mode: 'create' }),
        store.stat('a'),
        keysOf(store),
        store.delete(['none']),
        store.delete(['none', 'nothing']),
      ]);
      for (const outcome of outcomes) {
        const shown = inspect(outcome, { depth: Number.POSITIVE_INFINITY, showHidden: true });
        for (const secret of [TOKEN, double.credentials.secretAccessKey, '0123abcd', ...signaturesOf(double)])
          expect(shown).not.toContain(secret);
      }
      end();
    }
    expect(signaturesOf(double).length).toBeGreaterThan(30);
    expect(signaturesOf(double)).not.toContain('none');
  });

  test('the error of the SDK does hold one, so the test above can find it', async () => {
    const { GetObjectCommand, S3Client } = await import('@aws-sdk/client-s3');
    const { url: endpoint, credentials, region } = double;
    const client = new S3Client({ endpoint, credentials, region, forcePathStyle: true, maxAttempts: 1 });
    double.add({ fault: { status: 403, body } });
    const [outcome] = await Promise.allSettled([client.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'a' }))]);
    const shown = inspect(outcome, { depth: Number.POSITIVE_INFINITY, showHidden: true });
    expect(shown).toContain(TOKEN);
    expect(shown).toContain('0123abcd');
    client.destroy();
  });
});
