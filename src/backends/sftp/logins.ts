/** The ways to log in that a user has, in the order in which they are tried. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { PackvaultError } from '../../core/errors.ts';
import type { Target } from './options.ts';
import type { Login, Ssh2 } from './ssh2.ts';

const USUAL_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/** Collects them. UNAUTHENTICATED if there is none, or if a key that was named can't be used. */
export async function loginsOf(target: Target, ssh2: Ssh2): Promise<readonly Login[]> {
  const named = await namedLogins(target, ssh2);
  const logins = named.length > 0 ? named : await usualLogins(target, ssh2);
  if (logins.length > 0) return logins;
  throw unusable(
    target,
    'There is no key to log in with: no ssh-agent (SSH_AUTH_SOCK), and no key without a passphrase in ~/.ssh',
    'Start ssh-agent and add your key with ssh-add, or name a key, for example as privateKeyPath',
  );
}

async function namedLogins(target: Target, ssh2: Ssh2): Promise<Login[]> {
  const { user: username, privateKey, privateKeyPath, agent, password } = target;
  const logins: Login[] = [];
  if (privateKey !== undefined) logins.push(keyLogin(target, ssh2, 'The private key', Buffer.from(privateKey)));
  if (privateKeyPath !== undefined) {
    const key = await readFile(privateKeyPath).catch((error: unknown) => {
      throw unusable(target, `The private key ${privateKeyPath} cannot be read`, 'Check its path and owner', error);
    });
    logins.push(keyLogin(target, ssh2, `The private key ${privateKeyPath}`, key));
  }
  if (agent !== undefined) logins.push({ type: 'agent', username, agent });
  if (password !== undefined) logins.push({ type: 'password', username, password }, interactive(username, password));
  return logins;
}

async function usualLogins({ user: username }: Target, ssh2: Ssh2): Promise<Login[]> {
  const agent = process.env['SSH_AUTH_SOCK'];
  const logins: Login[] = agent === undefined || agent === '' ? [] : [{ type: 'agent', username, agent }];
  for (const name of USUAL_KEYS) {
    const key = await readFile(join(homedir(), '.ssh', name)).catch(() => undefined);
    // A key with a passphrase is the agent's business.
    if (key === undefined || ssh2.utils.parseKey(key) instanceof Error) continue;
    logins.push({ type: 'publickey', username, key });
  }
  return logins;
}

function keyLogin(target: Target, ssh2: Ssh2, what: string, key: Buffer): Login {
  const passphrase = typeof target.passphrase === 'object' ? Buffer.from(target.passphrase) : target.passphrase;
  const login = {
    type: 'publickey',
    username: target.user,
    key,
    ...(passphrase !== undefined && { passphrase }),
  } as const;
  const parsed = ssh2.utils.parseKey(key, passphrase);
  if (!(parsed instanceof Error)) return login;
  throw unusable(
    target,
    `${what} cannot be used: ${parsed.message}`,
    'Give its passphrase, or add it to ssh-agent and leave it out here',
    parsed,
  );
}

/** Many servers ask for the password as if a person sat there. Other questions than one for a secret are not answered. */
function interactive(username: string, password: string): Login {
  return {
    type: 'keyboard-interactive',
    username,
    prompt: (_name, _instructions, _language, prompts, finish) =>
      finish(prompts.map(({ echo }) => (echo === true || prompts.length > 1 ? '' : password))),
  };
}

function unusable({ host, user }: Target, what: string, advice: string, cause?: unknown): PackvaultError {
  return new PackvaultError({
    code: 'UNAUTHENTICATED',
    message: `${what}. The server ${host} was not asked, nothing was read or written. ${advice}.`,
    context: { host, user },
    ...(cause !== undefined && { cause }),
  });
}
