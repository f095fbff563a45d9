import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { S3Client } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseS3Location, S3Backend, type S3BackendOptions, type S3ClientLike } from '../../src/backends/s3/index.ts';
import { MAX_OBJECT_SIZE, resolveOptions } from '../../src/backends/s3/options.ts';

beforeEach(() => {
  for (const name of ['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3', 'AWS_REGION', 'AWS_DEFAULT_REGION'])
    vi.stubEnv(name, undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

function serverOf(endpoint?: string): unknown[] {
  const resolved = resolveOptions({ bucket: 'b', ...(endpoint !== undefined && { endpoint }) });
  return [resolved.aws, resolved.region, resolved.endpoint];
}

describe('a location', () => {
  test('names bucket, prefix and server', () => {
    const known = {
      's3://bucket': { bucket: 'bucket' },
      's3://bucket/': { bucket: 'bucket' },
      's3://bucket/a/b/': { bucket: 'bucket', prefix: 'a/b' },
      's3://bucket//a//b': { bucket: 'bucket', prefix: 'a/b' },
      's3:https://host/bucket': { bucket: 'bucket', endpoint: 'https://host' },
      's3:https://host/bucket/a b/é': { bucket: 'bucket', prefix: 'a b/é', endpoint: 'https://host' },
      's3:http://127.0.0.1:9000/bucket/a': { bucket: 'bucket', prefix: 'a', endpoint: 'http://127.0.0.1:9000' },
      's3:http://[::1]:9000/bucket': { bucket: 'bucket', endpoint: 'http://[::1]:9000' },
      's3:s3.eu-central-1.amazonaws.com/bucket/a': {
        bucket: 'bucket',
        prefix: 'a',
        endpoint: 'https://s3.eu-central-1.amazonaws.com',
      },
    };
    for (const [location, expected] of Object.entries(known)) expect(parseS3Location(location)).toEqual(expected);
  });

  test('that is none is INVALID_ARGUMENT, and a password in it is not repeated', () => {
    const wrong = [
      's3:',
      's3://',
      's3:///a',
      's3:https://host',
      's3:https://host/',
      's3:bucket',
      '/srv/backup',
      'azure:container:/a',
      's3://bucket/a?versionId=1',
      's3://bucket/a#b',
      's3://key:swordfish@bucket/a',
      's3:https://key:swordfish@host/bucket/a',
      's3:key:swordfish@host/bucket',
    ];
    for (const location of wrong) {
      const parse = (): unknown => parseS3Location(location);
      expect(parse, location).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
      expect(parse, location).not.toThrow(/swordfish/);
    }
  });

  test('of a backend can be read again', () => {
    for (const location of [
      's3://bucket',
      's3://bucket/a/b',
      's3:http://127.0.0.1:9000/bucket/a b',
      's3:https://host/bucket',
    ])
      expect(new S3Backend(parseS3Location(location)).location).toBe(location);
  });
});

describe('options', () => {
  test('that cannot be are INVALID_ARGUMENT, and nothing of an endpoint is repeated', () => {
    const wrong: readonly object[] = [
      {},
      { bucket: '' },
      { bucket: 'a b' },
      { bucket: '../a' },
      { bucket: 'b', prefix: 'a//b' },
      { bucket: 'b', prefix: 'a/../b' },
      { bucket: 'b', prefix: './a' },
      { bucket: 'b', prefix: 'a\nb' },
      { bucket: 'b', prefix: 'a'.repeat(824) },
      { bucket: 'b', endpoint: 'swordfish' },
      { bucket: 'b', endpoint: 'ftp://swordfish' },
      { bucket: 'b', endpoint: 'https://key:swordfish@host' },
      { bucket: 'b', endpoint: 'https://host/?swordfish' },
      { bucket: 'b', maxSockets: 0 },
      { bucket: 'b', idleTimeoutMs: 1.5 },
    ];
    for (const options of wrong) {
      const make = (): unknown => new S3Backend(options as S3BackendOptions);
      expect(make, JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
      expect(make, JSON.stringify(options)).not.toThrow(/swordfish/);
    }
    expect(new S3Backend({ bucket: 'b', prefix: 'a'.repeat(823) }).capabilities).toEqual({
      exclusiveCreate: true,
      durablePut: true,
      maxObjectSize: MAX_OBJECT_SIZE,
      maxDeleteBatch: 1_000,
    });
  });

  test('tell a server of Amazon’s from another, and its region', () => {
    expect(serverOf()).toEqual([true, undefined, undefined]);
    expect(serverOf('https://s3.amazonaws.com')).toEqual([true, undefined, undefined]);
    expect(serverOf('https://s3.eu-west-1.amazonaws.com')).toEqual([
      true,
      'eu-west-1',
      'https://s3.eu-west-1.amazonaws.com/',
    ]);
    expect(serverOf('https://s3.us-west-004.backblazeb2.com')[1]).toBe('us-west-004');
    expect(serverOf('https://s3.eu-central-2.wasabisys.com')).toEqual([
      false,
      'eu-central-2',
      'https://s3.eu-central-2.wasabisys.com/',
    ]);
    expect(serverOf('http://localhost:9000')).toEqual([false, 'us-east-1', 'http://localhost:9000/']);
    expect(serverOf('https://amazonaws.com.example.org')[0]).toBe(false);
    vi.stubEnv('AWS_REGION', 'eu-north-1');
    expect(serverOf('http://localhost:9000')[1]).toBe('eu-north-1');
    expect(serverOf()[1]).toBe(undefined);
    vi.stubEnv('AWS_ENDPOINT_URL_S3', 'http://other:1');
    expect(serverOf()).toEqual([false, 'eu-north-1', 'http://other:1/']);
    expect(serverOf('http://localhost:9000')[2]).toBe('http://localhost:9000/');
  });

  test('take a client of the SDK as it is', () => {
    const client: S3ClientLike = new S3Client({ region: 'us-east-1' });
    expect(new S3Backend({ bucket: 'b', prefix: 'p', client }).location).toBe('s3://b/p');
  });
});

describe('the SDK, an optional peer', () => {
  test('is not loaded before it is needed; where it is missing, the error says how to install it', () => {
    const hook = `export async function resolve(name, context, next) {
      if (name.startsWith('@aws-sdk/')) throw Object.assign(new Error('no ' + name), { code: 'ERR_MODULE_NOT_FOUND' });
      return next(name, context);
    }`;
    const program = `
      import { register } from 'node:module';
      register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));
      const { S3Backend } = await import('packvault/s3');
      const store = new S3Backend({ bucket: 'b' });
      await store.get('a').catch((error) => console.log(error.code, error.message));`;
    const options = { cwd: new URL('../..', import.meta.url), encoding: 'utf8' } as const;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], options);
    expect(stdout).toMatch(/^UNSUPPORTED .*npm install @aws-sdk\/client-s3$/m);
  });

  test('is named in no declaration that a user’s compiler reads', () => {
    const seen = new Set<string>();
    const read = (url: URL): string => {
      if (seen.has(url.href)) return '';
      seen.add(url.href);
      const text = readFileSync(url, 'utf8');
      const imports = [...text.matchAll(/from '(\.[^']+)\.(?:js|ts)'/g)].map(
        ([, name]) => new URL(`${name}.d.ts`, url),
      );
      return text + imports.map(read).join('');
    };
    const declarations = read(new URL('../../dist/backends/s3/index.d.ts', import.meta.url));
    expect(seen.size).toBeGreaterThan(3);
    expect(declarations).toContain('class S3Backend');
    expect(declarations).not.toMatch(/from '[^.]|import\('[^.]/);
  });
});
