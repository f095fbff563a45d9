/** What an S3 backend can be told. */
import { constants } from 'node:buffer';
import { MAX_KEY_BYTES } from '../../core/backend.ts';
import { PackvaultError } from '../../core/errors.ts';

/** A login. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials. */
  readonly sessionToken?: string;
  /** When they end, so that new ones are asked for in time. */
  readonly expiration?: Date;
}

/** A client of `@aws-sdk/client-s3`. Written so, the package's types need no SDK. */
export interface S3ClientLike {
  send(command: unknown, options?: unknown): Promise<unknown>;
  destroy(): void;
}

export interface S3BackendOptions {
  readonly bucket: string;
  /** Folder of the repository in the bucket, such as `backups/db`. Default: the bucket itself. */
  readonly prefix?: string;
  /** URL of a server other than AWS. Default: what AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL names, else AWS. */
  readonly endpoint?: string;
  /** Default: what the endpoint's host name or the environment tells, on AWS also its configuration file; elsewhere us-east-1. */
  readonly region?: string;
  /** Default: the SDK's own chain of environment, configuration files, single sign-on and instance roles. */
  readonly credentials?: S3Credentials | (() => Promise<S3Credentials>);
  /** `https://host/bucket/key` instead of `https://bucket.host/key`. Default: true with an endpoint, false on AWS. */
  readonly forcePathStyle?: boolean;
  /**
   * False for a server that accepts `If-None-Match: *` and ignores it, which nobody can tell from its answers (`packvault probe`
   * finds out). Creates then look first, and `capabilities.exclusiveCreate` is false. Default true; a server that
   * answers NotImplemented is found out by the first create.
   */
  readonly conditionalWrites?: boolean;
  /** What the server shall check a body against. Default: `sha256` on AWS, else `md5`, which every server knows. */
  readonly uploadCheck?: 'sha256' | 'md5';
  /** Default: the bucket's. Not one that must be thawed before it can be read. */
  readonly storageClass?: string;
  /** Default: what the bucket says. */
  readonly serverSideEncryption?: 'AES256' | 'aws:kms' | 'aws:kms:dsse';
  readonly kmsKeyId?: string;
  /** Requests at once; more calls wait for their turn. Default 64. */
  readonly maxSockets?: number;
  /** Of a connection, in milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** How long nothing may move in either direction, in milliseconds. Default 30,000. */
  readonly idleTimeoutMs?: number;
  /** Of a whole request up to the head of its answer, the upload included, in milliseconds. Default 900,000. */
  readonly requestTimeoutMs?: number;
  /**
   * A ready client instead of endpoint, region, credentials and time-outs. It stays the caller's: disposal leaves it open. Give it
   * `maxAttempts: 1`, since retries are the repository's; `requestChecksumCalculation: 'WHEN_REQUIRED'` and
   * `forcePathStyle: true` unless it talks to AWS.
   */
  readonly client?: S3ClientLike;
}

/** All options, checked. */
export interface ResolvedOptions extends Omit<S3BackendOptions, 'endpoint' | 'region'> {
  /** Empty, or ends in "/". */
  readonly prefix: string;
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  /** Whether the server is one of Amazon's. With a ready client its configuration decides. */
  readonly aws: boolean;
  readonly conditionalWrites: boolean;
  readonly maxSockets: number;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** For people. */
  readonly location: string;
}

/** Of a single PutObject, in bytes: 5 GiB (S3's limit), or what a buffer can hold. */
export const MAX_OBJECT_SIZE: number = Math.min(5 * 1024 ** 3, constants.MAX_LENGTH);

// S3 allows 1,024 bytes for the whole key.
const MAX_PREFIX_BYTES = 1_024 - MAX_KEY_BYTES;
const AWS_HOST = /(^|\.)(amazonaws\.com(\.cn)?|api\.aws)$/;

/** INVALID_ARGUMENT for what can't be. Does no I/O; reads the environment. */
export function resolveOptions(options: S3BackendOptions): ResolvedOptions {
  const { bucket } = options;
  if (typeof bucket !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9._:/-]*$/.test(bucket))
    throw invalid('needs the name of a bucket');
  const prefix = resolvePrefix(options.prefix ?? '');
  const url = options.client === undefined ? resolveEndpoint(options.endpoint) : undefined;
  const aws = url === undefined || AWS_HOST.test(url.hostname);
  const where = url === undefined ? `s3://${bucket}` : `s3:${url.href.replace(/\/$/, '')}/${bucket}`;
  return {
    conditionalWrites: true,
    ...options,
    ...timesOf(options),
    bucket,
    prefix,
    endpoint: endpointFor(url),
    region: options.region ?? (url && regionOf(url, aws)),
    aws,
    location: prefix === '' ? where : `${where}/${prefix.slice(0, -1)}`,
  };
}

function timesOf(options: S3BackendOptions): Record<(typeof NUMBERS)[number][0], number> {
  const resolved = NUMBERS.map(([name, usual]) => {
    const value = options[name] ?? usual;
    if (!Number.isSafeInteger(value) || value < 1) throw invalid(`needs a positive whole number as ${name}`);
    return [name, value] as const;
  });
  return Object.fromEntries(resolved) as Record<(typeof NUMBERS)[number][0], number>;
}

const NUMBERS = [
  ['maxSockets', 64],
  ['connectTimeoutMs', 10_000],
  ['idleTimeoutMs', 30_000],
  ['requestTimeoutMs', 900_000],
] as const;

function resolvePrefix(given: string): string {
  if (typeof given !== 'string') throw invalid('needs a text as its prefix');
  const prefix = given.replace(/^\/+|\/+$/g, '');
  if (prefix === '') return '';
  const odd = prefix.split('/').some((segment) => segment === '' || segment === '.' || segment === '..');
  if (odd || /\p{Cc}/u.test(prefix) || Buffer.byteLength(prefix) >= MAX_PREFIX_BYTES) {
    throw invalid(`needs a prefix of less than ${MAX_PREFIX_BYTES} bytes without empty, "." or ".." segments`);
  }
  return `${prefix}/`;
}

/** The server's URL; `undefined` stands for AWS. */
function resolveEndpoint(given: string | undefined): URL | undefined {
  const { env } = process;
  const ignored = env['AWS_IGNORE_CONFIGURED_ENDPOINT_URLS'] === 'true';
  const text = given ?? (ignored ? undefined : env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL'] || undefined);
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // Nothing of it is repeated: it may hold a password.
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw invalid('needs an http or https URL as its endpoint');
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw invalid('needs an endpoint without login, query or fragment; credentials have an option of their own');
  }
  return url;
}

/** The one host of AWS that stands for all regions is left to the SDK, which knows the bucket's. */
function endpointFor(url: URL | undefined): string | undefined {
  return url === undefined || url.hostname === 's3.amazonaws.com' ? undefined : url.href;
}

/** `s3.eu-central-1.example.com` names its region, as most providers' hosts do. */
function regionOf(url: URL, aws: boolean): string | undefined {
  const [, named] = /^s3[.-](?:dualstack\.)?([a-z]+-[a-z0-9-]+)\./.exec(url.hostname) ?? [];
  const { AWS_REGION, AWS_DEFAULT_REGION } = process.env as Record<string, string | undefined>;
  return named ?? (aws ? undefined : AWS_REGION || AWS_DEFAULT_REGION || 'us-east-1');
}

function invalid(what: string): PackvaultError {
  return new PackvaultError({
    code: 'INVALID_ARGUMENT',
    message: `An S3 backend ${what}. Nothing was read or written.`,
  });
}
