/** From a location to a backend. Each store's module, and its SDK, is loaded only when a location names it. */
import type { StorageBackend } from '../core/backend.ts';
import { PackvaultError } from '../core/errors.ts';
import { LocalBackend } from './local/index.ts';

type Opener = (location: string) => Promise<StorageBackend>;

const OPENERS: Readonly<Record<string, Opener>> = {
  s3: async (location) => {
    const { S3Backend, parseS3Location } = await import('./s3/index.ts');
    return new S3Backend(parseS3Location(location));
  },
  azure: async (location) => {
    const { AzureBackend, parseAzureLocation } = await import('./azure/index.ts');
    return new AzureBackend(parseAzureLocation(location));
  },
  gs: async (location) => {
    const { GcsBackend, parseGcsLocation } = await import('./gcs/index.ts');
    return new GcsBackend(parseGcsLocation(location));
  },
  sftp: async (location) => {
    const { SftpBackend, parseSftpLocation } = await import('./sftp/index.ts');
    return new SftpBackend(parseSftpLocation(location));
  },
};

/** The scheme of a location in lower case, or `undefined` for a path. One letter before the colon is a drive of Windows. */
export function schemeOf(location: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):/i.exec(location)?.[1]?.toLowerCase();
}

/**
 * Opens a store by location: a path on local disk, `s3:https://host/bucket/prefix`, `s3://bucket/prefix`, `azure:container:/prefix`, `gs:bucket:/prefix`,
 * `sftp://user@host:port//absolute` or `sftp://user@host/relative`. Credentials come from where the store's own tools look for them, never
 * from the location. INVALID_ARGUMENT for a location that can't be read; UNSUPPORTED for another scheme, or when a store's SDK is not
 * installed. No request is made yet.
 */
export async function openUrl(
  location: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<StorageBackend> {
  options.signal?.throwIfAborted();
  if (typeof location !== 'string' || location === '') {
    throw new PackvaultError({
      code: 'INVALID_ARGUMENT',
      message: 'A location is a path, such as /srv/backups, or names a store, such as s3://bucket. Nothing was opened.',
    });
  }
  const scheme = schemeOf(location);
  if (scheme === undefined) return new LocalBackend(location);
  const open = OPENERS[scheme];
  if (open !== undefined && Object.hasOwn(OPENERS, scheme)) return open(location);
  throw new PackvaultError({
    code: 'UNSUPPORTED',
    message: `There is no store for ${scheme}: locations: there are paths, ${Object.keys(OPENERS).join(':, ')}:, and any StorageBackend that you pass in. A path with a colon begins with ./ or /.`,
  });
}
