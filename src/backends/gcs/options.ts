/** What a Google Cloud Storage backend can be told. */
import { constants } from 'node:buffer';
import { MAX_KEY_BYTES } from '../../core/backend.ts';
import { PackvaultError } from '../../core/errors.ts';

/** A `Storage` of `@google-cloud/storage`. Written so, the package's types need no SDK. */
export interface GcsStorageLike {
  readonly apiEndpoint: string;
  /** Makes the headers that log a request in. */
  readonly authClient: { getRequestHeaders(url?: string): Promise<unknown> };
}

export interface GcsBackendOptions {
  readonly bucket: string;
  /** Folder of the repository in the bucket, such as `backups/db`. Default: the bucket itself. */
  readonly prefix?: string;
  /** Default: what the credentials or the environment tell. Storage itself needs none. */
  readonly projectId?: string;
  /** Path of a service account's key. Default: Application Default Credentials (GOOGLE_APPLICATION_CREDENTIALS, gcloud, metadata server). */
  readonly keyFilename?: string;
  /** A service account's key itself. Default: as for `keyFilename`. */
  readonly credentials?: { readonly client_email: string; readonly private_key: string };
  /**
   * URL of another server. Default: STORAGE_EMULATOR_HOST, else Google's. Credentials are sent to Google's hosts; to others only
   * if `keyFilename` or `credentials` is given.
   */
  readonly apiEndpoint?: string;
  /** Requests at once; more calls wait for their turn. Default 64. */
  readonly maxSockets?: number;
  /** How long nothing may move in either direction, in milliseconds. Default 30,000. */
  readonly idleTimeoutMs?: number;
  /** Of a whole request, its body included, in milliseconds. Default 900,000. */
  readonly requestTimeoutMs?: number;
  /** A ready `Storage` instead of endpoint and credentials: its login is used, and its endpoint. */
  readonly client?: GcsStorageLike;
}

/** All options, checked. */
export interface ResolvedOptions {
  readonly bucket: string;
  /** Empty, or ends in "/". */
  readonly prefix: string;
  /** What the SDK is made with. */
  readonly login: Pick<GcsBackendOptions, 'projectId' | 'keyFilename' | 'credentials'>;
  /** Without "/" at its end; `undefined`: the SDK's. */
  readonly endpoint: string | undefined;
  readonly maxSockets: number;
  readonly idleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly client: GcsStorageLike | undefined;
  /** For people. */
  readonly location: string;
}

/** Of a single upload, in bytes: 5 TiB (the limit of Google), or what a buffer can hold. */
export const MAX_OBJECT_SIZE: number = Math.min(5 * 1024 ** 4, constants.MAX_LENGTH);

// Google allows 1,024 bytes for the whole name.
const MAX_PREFIX_BYTES = 1_024 - MAX_KEY_BYTES;
const BUCKET = /^[a-z0-9](?:[a-z0-9._-]{1,220}[a-z0-9])$/;

/** INVALID_ARGUMENT for what can't be. Does no I/O; reads the environment. */
export function resolveOptions(options: GcsBackendOptions): ResolvedOptions {
  const { bucket, client, projectId, keyFilename, credentials } = options;
  if (typeof bucket !== 'string' || !BUCKET.test(bucket)) throw invalid('needs the name of a bucket');
  if (keyFilename !== undefined && credentials !== undefined)
    throw invalid('takes one login: keyFilename or credentials');
  const prefix = resolvePrefix(options.prefix ?? '');
  const known = process.env['STORAGE_EMULATOR_HOST'] || undefined;
  return {
    bucket,
    prefix,
    client,
    login: {
      ...(projectId !== undefined && { projectId }),
      ...(keyFilename !== undefined && { keyFilename }),
      ...(credentials !== undefined && { credentials }),
    },
    endpoint: resolveEndpoint(client?.apiEndpoint ?? options.apiEndpoint ?? known),
    ...timesOf(options),
    location: prefix === '' ? `gs://${bucket}` : `gs://${bucket}/${prefix.slice(0, -1)}`,
  };
}

/** As the SDK reads it: a host without a scheme is asked by http. */
function resolveEndpoint(given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(given) ? given : `http://${given}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // Nothing of it is repeated: it may hold a password.
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw invalid('needs an http or https URL as its endpoint');
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw invalid('needs an endpoint without login, query or fragment');
  }
  return url.href.replace(/(?:\/storage\/v1)?\/*$/, '');
}

function timesOf(options: GcsBackendOptions): Record<(typeof NUMBERS)[number][0], number> {
  const resolved = NUMBERS.map(([name, usual]) => {
    const value = options[name] ?? usual;
    if (!Number.isSafeInteger(value) || value < 1) throw invalid(`needs a positive whole number as ${name}`);
    return [name, value] as const;
  });
  return Object.fromEntries(resolved) as Record<(typeof NUMBERS)[number][0], number>;
}

const NUMBERS = [
  ['maxSockets', 64],
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

function invalid(what: string): PackvaultError {
  return new PackvaultError({
    code: 'INVALID_ARGUMENT',
    message: `A Google Cloud Storage backend ${what}. Nothing was read or written.`,
  });
}
