/** From a location to a backend. */
import type { StorageBackend } from '../core/backend.ts';
import { PackvaultError } from '../core/errors.ts';
import { LocalBackend } from './local/index.ts';

/** What a location names. */
export function isLocal(location: string): boolean {
  // One letter before the colon is a drive of Windows.
  return !/^[a-z][a-z0-9+.-]+:/i.test(location);
}

/**
 * Opens a store by location. A location without a scheme is a path on local disk. UNSUPPORTED for schemes that this version
 * does not have.
 */
export async function openUrl(
  location: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<StorageBackend> {
  options.signal?.throwIfAborted();
  if (typeof location !== 'string' || location === '') {
    throw new PackvaultError({
      code: 'INVALID_ARGUMENT',
      message: 'A location is a path, such as /srv/backups. Nothing was opened.',
    });
  }
  if (isLocal(location)) return new LocalBackend(location);
  const scheme = location.slice(0, location.indexOf(':'));
  throw new PackvaultError({
    code: 'UNSUPPORTED',
    message: `This version has no store for ${scheme}: locations. It works with paths on local disk, and with any StorageBackend that you pass in.`,
  });
}
