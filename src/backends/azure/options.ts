/** What an Azure backend can be told. */
import { constants } from 'node:buffer';
import { MAX_KEY_BYTES } from '../../core/backend.ts';
import { PackvaultError } from '../../core/errors.ts';

/** A credential of `@azure/identity`. Written so, the package's types need no SDK. */
export interface AzureTokenCredential {
  getToken(scopes: string | string[], options?: unknown): Promise<unknown>;
}

/** A ContainerClient of `@azure/storage-blob`. */
export interface AzureContainerClientLike {
  readonly containerName: string;
  getBlockBlobClient(name: string): unknown;
  listBlobsFlat(options?: unknown): unknown;
}

export interface AzureBackendOptions {
  readonly container: string;
  /** Folder of the repository in the container, such as `backups/db`. Default: the container itself. */
  readonly prefix?: string;
  /** Name of the storage account. Default: AZURE_STORAGE_ACCOUNT. */
  readonly account?: string;
  /** Login by a key of the account, in base64. Default: AZURE_STORAGE_KEY, if it belongs to the account. */
  readonly accountKey?: string;
  /** Login by a shared access signature. Default: AZURE_STORAGE_SAS_TOKEN, if it belongs to the account. */
  readonly sasToken?: string;
  /** Account and login in one. Default: AZURE_STORAGE_CONNECTION_STRING, unless `account` or `endpoint` is given. */
  readonly connectionString?: string;
  /** Login by Microsoft Entra. Default, when no other login is found: DefaultAzureCredential of `@azure/identity`. */
  readonly credential?: AzureTokenCredential;
  /** URL of the account's blob service. Default: `https://ACCOUNT.blob.core.windows.net`. */
  readonly endpoint?: string;
  /** Requests at once; more calls wait for their turn. Default 64. */
  readonly maxSockets?: number;
  /** How long nothing may move in either direction, in milliseconds. Default 30,000. */
  readonly idleTimeoutMs?: number;
  /** Of a whole request, its body included, in milliseconds. Default 900,000. */
  readonly requestTimeoutMs?: number;
  /**
   * A ready client of the container instead of account, login and endpoint. Give it `retryOptions: { maxTries: 1 }`: retries are
   * the repository's, and a create that was repeated below it would take its own object for another's.
   */
  readonly client?: AzureContainerClientLike;
}

/** How to log in. */
type Login =
  | { readonly by: 'connection string'; readonly connectionString: string }
  | { readonly by: 'key'; readonly account: string; readonly key: string }
  | { readonly by: 'sas'; readonly token: string }
  | { readonly by: 'credential'; readonly credential: AzureTokenCredential | undefined };

/** All options, checked. */
export interface ResolvedOptions {
  readonly container: string;
  /** Empty, or ends in "/". */
  readonly prefix: string;
  /** Of the blob service, without "/" at its end. Empty where the login or the client knows it. */
  readonly serviceUrl: string;
  readonly login: Login;
  readonly maxSockets: number;
  readonly idleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly client: AzureContainerClientLike | undefined;
  /** For people. */
  readonly location: string;
}

/** Of a single Put Blob, in bytes: 5,000 MiB (Azure's limit), or what a buffer can hold. */
export const MAX_OBJECT_SIZE: number = Math.min(5_000 * 1024 ** 2, constants.MAX_LENGTH);

// Azure allows 1,024 characters for the whole name.
const MAX_PREFIX_BYTES = 1_024 - MAX_KEY_BYTES;
const CONTAINER = /^(?:\$root|\$web|(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*)$/;
const ACCOUNT = /^[a-z0-9]{3,24}$/;

/** INVALID_ARGUMENT for what can't be. Does no I/O; reads the environment. */
export function resolveOptions(options: AzureBackendOptions): ResolvedOptions {
  const { client } = options;
  const container = options.container ?? client?.containerName;
  if (typeof container !== 'string' || !CONTAINER.test(container)) throw invalid('needs the name of a container');
  const prefix = resolvePrefix(options.prefix ?? '');
  const ready = { login: NO_LOGIN, serviceUrl: '' };
  return {
    ...(client === undefined ? resolveLogin(options) : ready),
    ...timesOf(options),
    container,
    prefix,
    client,
    location: `azure:${container}:/${prefix.slice(0, -1)}`,
  };
}

const NO_LOGIN: Login = { by: 'credential', credential: undefined };

type Place = Pick<ResolvedOptions, 'login' | 'serviceUrl'>;

function resolveLogin(options: AzureBackendOptions): Place {
  const { connectionString, accountKey, sasToken, credential } = options;
  const given = [connectionString, accountKey, sasToken, credential].filter((value) => value !== undefined);
  if (given.length > 1) throw invalid('takes one login: connectionString, accountKey, sasToken or credential');
  const placed = options.account !== undefined || options.endpoint !== undefined;
  const text =
    connectionString ?? (placed || given.length > 0 ? undefined : environment('AZURE_STORAGE_CONNECTION_STRING'));
  if (text !== undefined) return { login: { by: 'connection string', connectionString: text }, serviceUrl: '' };
  return resolveAccount(options);
}

function resolveAccount(options: AzureBackendOptions): Place {
  const url = resolveEndpoint(options.endpoint);
  const account = options.account ?? environment('AZURE_STORAGE_ACCOUNT');
  if (account !== undefined && !ACCOUNT.test(account)) throw invalid('needs an account of 3 to 24 of [a-z0-9]');
  if (account === undefined && url === undefined) {
    throw invalid('needs an account: AZURE_STORAGE_ACCOUNT, AZURE_STORAGE_CONNECTION_STRING, or an option');
  }
  const serviceUrl = url?.href.replace(/\/+$/, '') ?? `https://${account}.blob.core.windows.net`;
  return { login: loginOf(options, account), serviceUrl };
}

function loginOf({ accountKey, sasToken, credential }: AzureBackendOptions, account: string | undefined): Login {
  const given = accountKey ?? sasToken ?? credential;
  // A login from the environment is not sent to another account.
  const own = [undefined, account].includes(environment('AZURE_STORAGE_ACCOUNT'));
  const key = given === undefined && own ? environment('AZURE_STORAGE_KEY') : accountKey;
  const token = given === undefined && own ? environment('AZURE_STORAGE_SAS_TOKEN') : sasToken;
  if (key !== undefined) {
    if (account === undefined) throw invalid('needs the account that its key belongs to');
    return { by: 'key', account, key };
  }
  return token === undefined ? { by: 'credential', credential } : { by: 'sas', token: token.replace(/^\?/, '') };
}

/** Empty counts as absent. */
function environment(name: string): string | undefined {
  return process.env[name] || undefined;
}

function resolveEndpoint(text: string | undefined): URL | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // Nothing of it is repeated: it may hold a signature.
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw invalid('needs an http or https URL as its endpoint');
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw invalid('needs an endpoint without login, query or fragment; a signature has an option of its own, sasToken');
  }
  return url;
}

function timesOf(options: AzureBackendOptions): Record<(typeof NUMBERS)[number][0], number> {
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
  const odd = prefix.split('/').some((segment) => segment === '' || segment.endsWith('.'));
  if (odd || /[\p{Cc}\\]/u.test(prefix) || Buffer.byteLength(prefix) >= MAX_PREFIX_BYTES) {
    throw invalid(
      `needs a prefix of less than ${MAX_PREFIX_BYTES} bytes, no segment of it empty or with "." at its end`,
    );
  }
  return `${prefix}/`;
}

function invalid(what: string): PackvaultError {
  return new PackvaultError({
    code: 'INVALID_ARGUMENT',
    message: `An Azure backend ${what}. Nothing was read or written.`,
  });
}
