/**
 * The login of the SDK, and connections of our own.
 *
 * The SDK's own transport cannot be used: a download whose connection is cut or falls silent never ends, no request can be
 * aborted, and the failure of one download cuts the connections of all others (seen in 7.22). The JSON API that it speaks is
 * public and stable: cloud.google.com/storage/docs/json_api.
 */
import type * as Sdk from '@google-cloud/storage';
import * as http from 'node:http';
import * as https from 'node:https';
import { PackvaultError } from '../../core/errors.ts';
import type { GcsStorageLike, ResolvedOptions } from './options.ts';

export interface Session {
  /** Of the server, without "/" at its end. */
  readonly endpoint: string;
  readonly agent: http.Agent;
  /** Headers that log a request in. Tokens are kept and renewed by the SDK. */
  login(url: string): Promise<Record<string, string>>;
}

const GOOGLE = /(^|\.)googleapis\.com$/;

/** Loads the SDK, unless the server asks nobody to log in. UNSUPPORTED with the command that installs it, where it is missing. */
export async function connect(options: ResolvedOptions): Promise<Session> {
  const { client, endpoint, login, maxSockets } = options;
  const storage: GcsStorageLike =
    client ?? new (await load()).Storage({ ...login, ...(endpoint !== undefined && { apiEndpoint: endpoint }) });
  const url = new URL(endpoint ?? storage.apiEndpoint);
  const explicit = login.keyFilename !== undefined || login.credentials !== undefined;
  const known = GOOGLE.test(url.hostname) || explicit || trusts(storage);
  const settings = { keepAlive: true, maxSockets };
  return {
    endpoint: url.href.replace(/\/+$/, ''),
    agent: url.protocol === 'https:' ? new https.Agent(settings) : new http.Agent(settings),
    login: async (to) => (known ? plain(await storage.authClient.getRequestHeaders(to)) : {}),
  };
}

/** Whether a given client would log in at a server that is not Google's. */
function trusts(storage: GcsStorageLike): boolean {
  return (storage as { readonly useAuthWithCustomEndpoint?: unknown }).useAuthWithCustomEndpoint === true;
}

/** Older versions give an object, newer ones `Headers`. */
function plain(headers: unknown): Record<string, string> {
  return Object.fromEntries(new Headers(headers as Record<string, string>));
}

async function load(): Promise<typeof Sdk> {
  try {
    return await import('@google-cloud/storage');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error;
    throw new PackvaultError({
      code: 'UNSUPPORTED',
      message:
        'Repositories on Google Cloud Storage need the package @google-cloud/storage, which is not installed. Nothing was read or written. Install it: npm install @google-cloud/storage',
      cause: error,
    });
  }
}
