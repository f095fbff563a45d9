/** Is this the server that we mean? */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { PackvaultError } from '../../core/errors.ts';
import { type KnownKey, knownKeys, publicKey, typeOf } from './known-hosts.ts';
import type { Target } from './options.ts';

/** What ssh2 offers, without the broken DSA; an RSA key has three names, by the hash that it signs. */
const ALGORITHMS: ReadonlyMap<string, readonly string[]> = new Map([
  ['ssh-ed25519', ['ssh-ed25519']],
  ['ecdsa-sha2-nistp256', ['ecdsa-sha2-nistp256']],
  ['ecdsa-sha2-nistp384', ['ecdsa-sha2-nistp384']],
  ['ecdsa-sha2-nistp521', ['ecdsa-sha2-nistp521']],
  ['ssh-rsa', ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa']],
]);

/** What is known of a server's keys before it has shown one. */
export interface HostKeys {
  /** The algorithms to offer: those of known keys first, else a server with several keys shows one that is not known. */
  readonly algorithms: readonly string[];
  /** Why this key is not accepted: UNAUTHENTICATED. `undefined`: it is right. */
  refusal(key: Buffer): PackvaultError | undefined;
}

/** Collects what is known of the keys of `target`. INVALID_ARGUMENT for a `hostKey` that is none. */
export async function hostKeysOf(target: Target): Promise<HostKeys> {
  const { hostKey, knownHosts } = target;
  if (hostKey !== undefined) return pinned(target, typeof hostKey === 'string' ? [hostKey] : hostKey);
  if (knownHosts === false) return { algorithms: [...ALGORITHMS.values()].flat(), refusal: () => undefined };
  const files = knownHosts === undefined ? defaultFiles() : [knownHosts];
  const texts = await Promise.all(files.map(readIfThere));
  return known(
    target,
    texts.flatMap((text) => knownKeys(text, target.host, target.port)),
    files,
  );
}

/** As `ssh-keygen -l` shows it. */
function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

function pinned(target: Target, given: readonly string[]): HostKeys {
  const right = given.map((text) => text.trim()).map((text) => publicKey(text)?.key ?? text);
  const odd = right.find((one) => typeof one === 'string' && !/^SHA256:[A-Za-z0-9+/]{43}$/.test(one));
  if (odd !== undefined) {
    throw new PackvaultError({
      code: 'INVALID_ARGUMENT',
      message: `hostKey must be a public key such as "ssh-ed25519 AAAA…" or a fingerprint such as "SHA256:…", not ${JSON.stringify(odd)}. Nothing was read or written.`,
    });
  }
  const fingerprints = new Set(right.map((one) => (typeof one === 'string' ? one : fingerprintOf(one))));
  const types = right.flatMap((one) => (typeof one === 'string' ? [] : [typeOf(one)]));
  return {
    algorithms: inOrder(types),
    refusal: (key) => {
      if (fingerprints.has(fingerprintOf(key))) return undefined;
      return refused(
        target,
        key,
        'Its key is not the one given as hostKey',
        'Somebody may stand between you and the server; if the server got a new key, and you have it from a source you trust, give that one',
      );
    },
  };
}

function known(target: Target, keys: readonly KnownKey[], files: readonly string[]): HostKeys {
  const has = (key: Buffer, isRevoked: boolean): boolean =>
    keys.some((one) => one.isRevoked === isRevoked && one.key.equals(key));
  const valid = keys.filter(({ isRevoked }) => !isRevoked);
  return {
    algorithms: inOrder(valid.map(({ type }) => type)),
    refusal: (key) => {
      if (has(key, true)) return refused(target, key, 'Its key is marked as revoked', 'Ask who runs the server');
      if (has(key, false)) return undefined;
      if (valid.some(({ isForOtherPort }) => !isForOtherPort)) {
        return refused(
          target,
          key,
          `Its key is not the one that is known (${files.join(', ')})`,
          `Somebody may stand between you and the server. If it got a new key, and the fingerprint is right, remove the old one with "ssh-keygen -R '${nameOf(target)}'" and connect once with ssh`,
        );
      }
      return refused(
        target,
        key,
        `Its key is not known (${files.join(', ')})`,
        `Compare the fingerprint with the server's own ("ssh-keygen -lf" of its key in /etc/ssh there); if it is the same, connect once with "ssh -p ${target.port} ${target.user}@${target.host}" and accept it, or give it as hostKey`,
      );
    },
  };
}

function refused(target: Target, key: Buffer, what: string, advice: string): PackvaultError {
  const fingerprint = fingerprintOf(key);
  return new PackvaultError({
    code: 'UNAUTHENTICATED',
    message: `The server ${nameOf(target)} is not trusted. ${what}: it shows ${typeOf(key)} ${fingerprint}. No login was tried, nothing was read or written. ${advice}.`,
    context: { host: target.host, port: target.port, fingerprint },
  });
}

function nameOf({ host, port }: Target): string {
  return port === 22 ? host : `[${host}]:${port}`;
}

function inOrder(types: readonly string[]): readonly string[] {
  const first = types.flatMap((type) => ALGORITHMS.get(type) ?? []);
  return [...new Set([...first, ...[...ALGORITHMS.values()].flat()])];
}

function defaultFiles(): readonly string[] {
  const user = join(homedir(), '.ssh');
  return [join(user, 'known_hosts'), join(user, 'known_hosts2'), '/etc/ssh/ssh_known_hosts'];
}

async function readIfThere(path: string): Promise<string> {
  // What can't be read makes no server known, and the refusal names the files.
  return readFile(path, 'utf8').catch(() => '');
}
