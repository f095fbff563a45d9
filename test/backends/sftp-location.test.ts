import { describe, expect, test, vi } from 'vitest';
import { parseSftpLocation, SftpBackend } from '../../src/backends/sftp/index.ts';
import { knownKeys } from '../../src/backends/sftp/known-hosts.ts';
import { PackvaultError } from '../../src/core/errors.ts';

describe('locations', () => {
  test.each([
    ['sftp://ann@example.org//srv/repo', { host: 'example.org', user: 'ann', path: '/srv/repo' }],
    ['sftp://ann@example.org/repo', { host: 'example.org', user: 'ann', path: 'repo' }],
    ['sftp://ann@example.org:2222//srv/repo', { host: 'example.org', port: 2222, user: 'ann', path: '/srv/repo' }],
    ['sftp://ann@[2001:db8::1]:2222//srv/repo', { host: '2001:db8::1', port: 2222, user: 'ann', path: '/srv/repo' }],
    ['sftp://ann@[::1]/a/b', { host: '::1', user: 'ann', path: 'a/b' }],
    ['sftp://ann@10.0.0.1//', { host: '10.0.0.1', user: 'ann', path: '/' }],
    ['sftp://ann@example.org/', { host: 'example.org', user: 'ann', path: '.' }],
    ['sftp://ann%40corp@example.org/a%20b%25/ü', { host: 'example.org', user: 'ann@corp', path: 'a b%/ü' }],
  ])('%s is read, and written again by a backend', (location, place) => {
    expect(parseSftpLocation(location)).toEqual(place);
    expect(new SftpBackend(place).location).toBe(location);
  });

  test('user and port may be missing, and the scheme in capitals', () => {
    vi.stubEnv('USER', 'ann');
    const place = parseSftpLocation('SFTP://example.org/repo');
    expect(place).toEqual({ host: 'example.org', path: 'repo' });
    expect(new SftpBackend(place).location).toBe('sftp://ann@example.org/repo');
    vi.unstubAllEnvs();
  });

  test.each([
    ['~/repo', 'sftp://ann@h/repo'],
    ['~', 'sftp://ann@h/'],
    ['/srv/repo/', 'sftp://ann@h//srv/repo'],
    ['//', 'sftp://ann@h//'],
    ['.', 'sftp://ann@h/'],
  ])('the path %s is understood', (path, location) => {
    expect(new SftpBackend({ host: 'h', user: 'ann', path }).location).toBe(location);
  });

  test.each([
    'sftp://ann:swordfish@example.org/repo',
    'sftp:ann:swordfish@example.org:/repo',
    'sftp://ann:swordfish@example.org',
    'sftp://:swordfish@[::1/repo',
    'sftp://example.org',
    'sftp:///repo',
    'sftp://example.org/%zz',
  ])('%s is INVALID_ARGUMENT, and no password is repeated', (location) => {
    const error = errorOf(() => parseSftpLocation(location));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(JSON.stringify([error.message, error.context, error.stack])).not.toContain('swordfish');
  });
});

describe('options', () => {
  test.each([
    [{ path: '' }],
    [{ path: 'a\0b' }],
    [{ host: '' }],
    [{ host: 'a b' }],
    [{ port: 0 }],
    [{ port: 65_536 }],
    [{ port: 1.5 }],
    [{ connections: 0 }],
    [{ connectTimeoutMs: 0 }],
    [{ idleTimeoutMs: -1 }],
  ])('%j is INVALID_ARGUMENT', (wrong) => {
    const error = errorOf(() => new SftpBackend({ host: 'h', user: 'ann', path: 'repo', ...wrong }));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('known_hosts', () => {
  const ED = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEM2oPTBDmnpWwLRJL8f0cZWr7U7yJWvnDJPzMHnkLPd';
  const OTHER = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0dgDXBzHSWTEDmQEDDkt1qaWCKOEBfVIbV7vkJAAAB';

  test.each([
    ['a name', `example.org ${ED}`, 'example.org', 22],
    ['a name in capitals', `example.org ${ED}`, 'EXAMPLE.org', 22],
    ['one of several names, with a comment behind the key', `a.b,example.org,10.0.0.1 ${ED} me@here`, '10.0.0.1', 22],
    ['another port', `[example.org]:2222 ${ED}`, 'example.org', 2222],
    ['another port of an IPv6 address', `[::1]:2222 ${ED}`, '::1', 2222],
    ['the host as such, for another port', `example.org ${ED}`, 'example.org', 2222],
    ['a pattern', `*.example.org ${ED}`, 'a.b.example.org', 22],
    ['a pattern with ?', `host? ${ED}`, 'host7', 22],
    ['a hashed name', `|1|AAECAwQFBgcICQoLDA0ODxAREhM=|bFDVYqbsfLlUB0fPAZemUYx8Gnc= ${ED}`, 'example.org', 22],
    [
      'a hashed name with its port',
      `|1|AAECAwQFBgcICQoLDA0ODxAREhM=|FECgIuoZ4Lo/BCx3pa8UOUgvG+o= ${ED}`,
      'example.org',
      2222,
    ],
  ])('%s', (_, line, host, port) => {
    expect(found(`# a comment\n\n${line}\nother ${OTHER}\n`, host, port)).toEqual([keyOf(ED)]);
  });

  test.each([
    ['another name', `example.org ${ED}`, 'example.com'],
    ['a name that begins like it', `example.org ${ED}`, 'example.org.evil'],
    ['a dot is a dot', `exampleXorg ${ED}`, 'example.org'],
    ['another port', `[example.org]:2222 ${ED}`, 'example.org'],
    ['an excluded name', `*.example.org,!bad.example.org ${ED}`, 'bad.example.org'],
    ['a certificate authority', `@cert-authority *.example.org ${ED}`, 'a.example.org'],
    ['a key that is cut off', 'example.org ssh-ed25519 AAAAC3NzaC1', 'example.org'],
    ['a key of another type than it says', `example.org ssh-rsa ${keyOf(ED)}`, 'example.org'],
    ['a hash of an unknown kind', `|2|AAECAwQFBgcICQoLDA0ODxAREhM=|bFDVYqbsfLlUB0fPAZemUYx8Gnc= ${ED}`, 'example.org'],
  ])('not: %s', (_, line, host) => {
    expect(found(line, host)).toEqual([]);
  });

  test('a revoked key is told as such', () => {
    expect(found(`@revoked * ${ED}\nexample.org ${OTHER}`, 'example.org')).toEqual([
      `${keyOf(ED)} revoked`,
      keyOf(OTHER),
    ]);
  });
});

function errorOf(work: () => unknown): PackvaultError {
  try {
    work();
  } catch (error) {
    if (PackvaultError.is(error)) return error;
    throw error;
  }
  throw new Error('it should have thrown');
}

function keyOf(line: string): string {
  return line.split(' ')[1] ?? '';
}

function found(text: string, host: string, port = 22): string[] {
  return knownKeys(text, host, port).map(
    ({ key, isRevoked }) => key.toString('base64') + (isRevoked ? ' revoked' : ''),
  );
}
