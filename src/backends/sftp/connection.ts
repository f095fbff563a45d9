/** From options to a session: socket, host key, login, SFTP. */
import { connect as connectSocket, type Socket } from 'node:net';
import { PackvaultError } from '../../core/errors.ts';
import { connectError } from './connect-error.ts';
import { type HostKeys, hostKeysOf } from './host-key.ts';
import { loginsOf } from './logins.ts';
import type { ResolvedOptions, SftpClientOptions, Target } from './options.ts';
import { type Carrier, Session } from './session.ts';
import { type ConnectingClient, type Login, loadSsh2, type SftpChannel, type SshClientLike } from './ssh2.ts';

// Finds peers that are gone, and keeps the tables of routers filled, while nothing is asked for.
const KEEP_ALIVE_MS = 15_000;
const POLITE_END_MS = 2_000;

/**
 * Opens a session. UNAVAILABLE, UNAUTHENTICATED or UNSUPPORTED if that can't be done, within `connectTimeoutMs`; the reason of
 * `signal` when it aborts before.
 */
export async function openSession(options: ResolvedOptions, signal: AbortSignal): Promise<Session> {
  const { target } = options;
  return 'client' in target ? sessionOn(target, options, signal) : connect(target, options, signal);
}

async function sessionOn(
  { client: given }: SftpClientOptions,
  options: ResolvedOptions,
  signal: AbortSignal,
): Promise<Session> {
  const { location, idleTimeoutMs } = options;
  const isOurs = typeof given === 'function';
  const client = isOurs ? await given() : given;
  const gone = (cause?: unknown): PackvaultError => clientGone(location, isOurs, cause);
  const start = async (): Promise<Session> => {
    client.setNoDelay(true);
    return startSession(client, (channel) => ({
      location,
      idleTimeoutMs,
      // Its owner decides what keeps the process alive.
      setBusy: () => undefined,
      end: async () => endChannel(channel, isOurs ? client : undefined),
    }));
  };
  try {
    return await inTime(start(), idleTimeoutMs, gone, signal);
  } catch (error) {
    if (isOurs) client.end();
    throw PackvaultError.is(error) ? error : gone(error);
  }
}

/** Settles as `work` does, or rejects: with `late()` after so many milliseconds, with the signal's reason when it aborts. */
async function inTime<T>(work: Promise<T>, ms: number, late: () => PackvaultError, signal: AbortSignal): Promise<T> {
  const over = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const failure = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms);
    signal.addEventListener('abort', () => reject(signal.reason), { signal: over.signal });
  });
  try {
    return await Promise.race([work, failure]);
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}

function endChannel(channel: SftpChannel, client: SshClientLike | undefined): void {
  try {
    channel.end();
    client?.end();
  } catch {
    // Its connection is gone, and the channel with it.
  }
}

async function connect(target: Target, options: ResolvedOptions, signal: AbortSignal): Promise<Session> {
  const ssh2 = await loadSsh2();
  const [logins, hostKeys] = await Promise.all([loginsOf(target, ssh2), hostKeysOf(target)]);
  signal.throwIfAborted();
  const attempt = new Attempt(new ssh2.Client(), target, options);
  return attempt.run(logins, hostKeys, signal);
}

/** One connection, from its first packet until it is a session. */
class Attempt {
  readonly #client: ConnectingClient;
  readonly #target: Target;
  readonly #options: ResolvedOptions;
  readonly #socket: Socket;
  readonly #closed: Promise<void>;

  constructor(client: ConnectingClient, target: Target, options: ResolvedOptions) {
    this.#client = client;
    this.#target = target;
    this.#options = options;
    // Small packets must not wait for each other's answers: that is what Nagle's algorithm, which ssh2 leaves on, makes them do.
    this.#socket = connectSocket({
      host: target.host,
      port: target.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    this.#closed = new Promise((resolve) => {
      this.#socket.once('close', () => resolve());
    });
  }

  async run(logins: readonly Login[], hostKeys: HostKeys, signal: AbortSignal): Promise<Session> {
    const { connectTimeoutMs } = this.#target;
    const late = (): PackvaultError => connectError({ timeoutMs: connectTimeoutMs }, this.#target, logins);
    try {
      return await inTime(this.#establish(logins, hostKeys), connectTimeoutMs, late, signal);
    } catch (error) {
      this.#socket.destroy();
      throw PackvaultError.is(error) ? error : connectError(error, this.#target, logins);
    }
  }

  async #establish(logins: readonly Login[], hostKeys: HostKeys): Promise<Session> {
    let refusal: PackvaultError | undefined;
    const failure = new Promise<never>((_, reject) => {
      const fail = (error: unknown): void => reject(refusal ?? connectError(error, this.#target, logins));
      // An agent that is not there is no failure as long as there are other ways in.
      this.#client.on('error', (error) => (error?.level === 'agent' ? undefined : fail(error)));
      this.#client.on('close', () => fail(undefined));
    });
    // After success nobody waits for it: then it is the session that tells a lost connection.
    failure.catch(() => undefined);
    this.#begin(logins, hostKeys, (reason) => {
      refusal = reason;
    });
    await Promise.race([this.#ready(), failure]);
    return Promise.race([startSession(this.#client, () => this.#carrier()), failure]);
  }

  #begin(logins: readonly Login[], hostKeys: HostKeys, refuse: (reason: PackvaultError) => void): void {
    this.#client.connect({
      sock: this.#socket,
      username: this.#target.user,
      authHandler: logins,
      readyTimeout: 0,
      algorithms: { serverHostKey: hostKeys.algorithms },
      hostVerifier: (key) => {
        const refusal = hostKeys.refusal(key);
        if (refusal !== undefined) refuse(refusal);
        return refusal === undefined;
      },
    });
  }

  async #ready(): Promise<void> {
    return new Promise((resolve) => {
      this.#client.on('ready', () => resolve());
    });
  }

  #carrier(): Carrier {
    return {
      location: this.#options.location,
      idleTimeoutMs: this.#options.idleTimeoutMs,
      setBusy: (busy) => (busy ? this.#socket.ref() : this.#socket.unref()),
      end: async (now) => {
        if (now) {
          this.#socket.destroy();
        } else {
          this.#client.end();
          const late = setTimeout(() => this.#socket.destroy(), POLITE_END_MS);
          await this.#closed;
          clearTimeout(late);
        }
      },
    };
  }
}

/** Made where ssh2 hands the channel over: what happens to it from then on must not be missed. */
async function startSession(client: SshClientLike, carrierOf: (channel: SftpChannel) => Carrier): Promise<Session> {
  return new Promise((resolve, reject) => {
    client.sftp((error, given) => {
      if (error !== undefined) return reject(error);
      const channel = given as SftpChannel;
      resolve(new Session(channel, carrierOf(channel)));
    });
  });
}

function clientGone(location: string, isOurs: boolean, cause: unknown): PackvaultError {
  return new PackvaultError({
    code: 'UNAVAILABLE',
    retry: isOurs ? 'safe' : 'never',
    message: `The SSH client for ${location} opens no SFTP session: it may have lost its connection, or the server offers no SFTP. Nothing was read or written. Make a new client, or give a function that makes one.`,
    context: { location },
    cause,
  });
}
