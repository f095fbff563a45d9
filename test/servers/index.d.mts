/**
 * The real servers that tests run against, each a child process on a free port of the loopback with its data in a temporary
 * folder. They die with the process that started them, however that ends.
 *
 * ```ts
 * describe.skipIf(!isAvailable('minio'))('S3 on MinIO', () => {
 *   let server: S3Server;
 *   beforeAll(async () => {
 *     server = await startMinio();
 *   });
 *   afterAll(() => server.stop());
 * ```
 */

export type ServerName =
  | 'minio'
  | 'azurite'
  | 'fake-gcs'
  | 'sshd'
  | 'toxiproxy'
  // Only in the long tests:
  | 'versitygw'
  | 'rclone'
  | 's3s-fs';

/**
 * Whether all of these can be started. If not, says so on standard error with what to do about it, and throws where CI or
 * PACKVAULT_REQUIRE_STORES is set: there a test that did not run has failed.
 */
export function isAvailable(...names: ServerName[]): boolean;

export interface Server extends AsyncDisposable {
  readonly name: ServerName;
  readonly host: '127.0.0.1';
  /** The same for as long as the server lives, also after a restart. */
  readonly port: number;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Of the main process; `undefined` while it is down. */
  readonly pid: number | undefined;
  /** A temporary folder, removed by `stop`. */
  readonly folder: string;
  /** A folder in it, where the server keeps its objects (an SSH server serves the whole file system; use this for the tests' files). */
  readonly data: string;
  /** Ends it (SIGTERM) and removes its folder. Can be repeated. */
  stop(): Promise<void>;
  /** Ends it and all its descendants at once (SIGKILL), as a power loss would. The folder stays. */
  kill9(): Promise<void>;
  /** Starts it again, on the same port and folder; ends it first (SIGTERM) if it runs. Resolves when it serves. */
  restart(): Promise<void>;
  /** Makes it fall silent: connections are taken but nothing is answered. */
  pause(): void;
  resume(): void;
  /** What it wrote to its standard output and error. */
  log(): string;
}

export interface S3Server extends Server {
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Makes a bucket and returns its name, by default a new one. */
  createBucket(name?: string): Promise<string>;
}

export interface Minio extends S3Server {
  /** Temporary credentials that may do only this: `s3:GetObject`, `s3:PutObject`, `s3:DeleteObject`, `s3:ListBucket`, … */
  restricted(actions: readonly string[]): Promise<S3Server['credentials'] & { readonly sessionToken: string }>;
}

/** The S3 server of the ordinary tests. */
export function startMinio(): Promise<Minio>;
export function startVersitygw(): Promise<S3Server>;
/** A negative control: accepts `If-None-Match` and ignores it. */
export function startRcloneS3(): Promise<S3Server>;
/** A negative control: checks and then writes, so that several racing creates win. */
export function startS3sFs(): Promise<S3Server>;

export interface AzuriteServer extends Server {
  readonly account: { readonly name: string /** Base64. */; readonly key: string };
  /** `http://127.0.0.1:PORT/ACCOUNT`: what BlobServiceClient takes. */
  readonly accountUrl: string;
  readonly connectionString: string;
  /** Makes a container and returns its name, by default a new one. */
  createContainer(name?: string): Promise<string>;
}

/** It flushes its index every five seconds: what was put less than that before `kill9` may be gone. */
export function startAzurite(): Promise<AzuriteServer>;

export interface GcsServer extends Server {
  readonly projectId: string;
  /** Makes a bucket and returns its name, by default a new one. */
  createBucket(name?: string): Promise<string>;
}

/** An emulator of Google Cloud Storage, which asks nobody for credentials. With `memory` a restart loses all. */
export function startFakeGcs(options?: { memory?: boolean }): Promise<GcsServer>;

export interface SshServer extends Server {
  /** The user who runs the tests, and the only one who can log in. */
  readonly username: string;
  readonly privateKeyPath: string;
  /** PEM. */
  readonly privateKey: string;
  /** The host's public key as it goes over the wire. */
  readonly hostKey: Buffer;
  /** The line that a known_hosts file has for this server. */
  readonly knownHosts: string;
  /** Restarts with another host key: what a client meets when somebody stands in between. */
  changeHostKey(): Promise<void>;
}

/**
 * OpenSSH. `config` are further lines of sshd_config, which win over ours; `forceCommand` is what every session runs, default
 * `internal-sftp` (with `-R` read-only, with `-d FOLDER` it starts in a folder, …).
 */
export function startSshd(options?: { config?: string[]; forceCommand?: string }): Promise<SshServer>;

/** A network between a client and a server. */
export interface Toxiproxy extends Server {
  /** Puts a proxy in front of a server, with a fault from the start if one is named. */
  proxy(
    server: { readonly port: number },
    type?: ToxicType,
    attributes?: ToxicAttributes,
    options?: ToxicOptions,
  ): Promise<Proxy>;
}

export type ToxicType = 'latency' | 'bandwidth' | 'timeout' | 'reset_peer' | 'slow_close' | 'slicer' | 'limit_data';
export type ToxicAttributes = Readonly<Record<string, number>>;
export interface ToxicOptions {
  /** Default `downstream`: from the server to the client. */
  readonly stream?: 'downstream' | 'upstream';
  /** Share of the connections that have the fault. Default 1. */
  readonly toxicity?: number;
}

export interface Proxy {
  readonly name: string;
  readonly host: '127.0.0.1';
  readonly port: number;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /**
   * Adds a fault and returns its name. Types and attributes are Toxiproxy's: `latency` {latency, jitter} in ms, `bandwidth` {rate} in
   * KB/s, `timeout` {timeout} in ms (0: silence), `reset_peer` {timeout}, `slow_close` {delay}, `slicer` {average_size,
   * size_variation, delay}, `limit_data` {bytes}.
   */
  add(type: ToxicType, attributes: ToxicAttributes, options?: ToxicOptions): Promise<string>;
  remove(name: string): Promise<void>;
  /** Removes all faults and lets connections through again. */
  heal(): Promise<void>;
  /** Refuses connections and cuts those that there are. */
  cut(): Promise<void>;
}

/** Starts Toxiproxy, which stands between a client and one of the other servers. */
export function startToxiproxy(): Promise<Toxiproxy>;
