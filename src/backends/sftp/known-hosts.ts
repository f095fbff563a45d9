/** The format of known_hosts: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. */
import { createHmac } from 'node:crypto';

/** A key that a file says something of. */
export interface KnownKey {
  /** `ssh-ed25519`, … */
  readonly type: string;
  /** As it goes over the wire. */
  readonly key: Buffer;
  readonly isRevoked: boolean;
  /** The entry names the host as such, and the server that was asked for has another port than 22. */
  readonly isForOtherPort: boolean;
}

/**
 * The keys that `text`, the contents of a known_hosts file, has for a host. For another port than 22 these are the keys of
 * `[host]:port`, then those of the host as such, as ssh has it. Certificate authorities are left out: host certificates are
 * not supported. What is no entry is skipped.
 */
export function knownKeys(text: string, host: string, port: number): readonly KnownKey[] {
  const bare = host.toLowerCase();
  const names = port === 22 ? [bare] : [`[${bare}]:${port}`, bare];
  return names.flatMap((name) => text.split('\n').flatMap((line) => keyOf(line, name, name !== names[0])));
}

/** The type and the bytes of a public key as `ssh-keygen` writes it, or `undefined` for anything else. */
export function publicKey(text: string): { readonly type: string; readonly key: Buffer } | undefined {
  const [, type, base64] = /^\s*([a-z0-9@.-]+)\s+([A-Za-z0-9+/]+=*)(?:\s|$)/.exec(text) ?? [];
  if (type === undefined || base64 === undefined) return undefined;
  const key = Buffer.from(base64, 'base64');
  return typeOf(key) === type ? { type, key } : undefined;
}

/** The type that a key itself tells, '' if it is none (RFC 4253, section 6.6). */
export function typeOf(key: Buffer): string {
  if (key.length < 4) return '';
  return key.subarray(4, 4 + key.readUInt32BE(0)).toString('latin1');
}

function keyOf(line: string, name: string, isForOtherPort: boolean): readonly KnownKey[] {
  const trimmed = line.trim();
  if (trimmed === '' || trimmed.startsWith('#')) return [];
  const [first = '', ...rest] = trimmed.split(/\s+/);
  const marker = first.startsWith('@') ? first : '';
  const [hosts = '', ...fields] = marker === '' ? [first, ...rest] : rest;
  const found = publicKey(fields.join(' '));
  if (found === undefined || (marker !== '' && marker !== '@revoked')) return [];
  return covers(hosts, name) ? [{ ...found, isRevoked: marker === '@revoked', isForOtherPort }] : [];
}

/** Whether a host field names this host. A pattern with `!` that matches excludes it, whatever the others say. */
function covers(hosts: string, name: string): boolean {
  if (hosts.startsWith('|')) return isHashOf(hosts, name);
  const patterns = hosts.toLowerCase().split(',');
  if (patterns.some((pattern) => pattern.startsWith('!') && matches(pattern.slice(1), name))) return false;
  return patterns.some((pattern) => matches(pattern, name));
}

function matches(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[.+^$()|[\]{}\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(name);
}

/** `|1|salt|hash`, both base64: HMAC-SHA1 of the name, its key the salt. */
function isHashOf(field: string, name: string): boolean {
  const [, version, salt = '', hash = ''] = field.split('|');
  if (version !== '1') return false;
  const expected = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return expected.equals(Buffer.from(hash, 'base64'));
}
