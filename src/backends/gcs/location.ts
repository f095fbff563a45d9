/** Locations of Google Cloud Storage: `gs:bucket:/prefix` and `gs://bucket/prefix`. */
import { PackvaultError } from '../../core/errors.ts';
import type { GcsBackendOptions } from './options.ts';

/** What a location says. Credentials come from elsewhere, never from here. */
export type ParsedGcsLocation = Pick<GcsBackendOptions, 'bucket' | 'prefix'>;

/**
 * Reads `gs://bucket/prefix`, `gs:bucket:/prefix` and `gs:bucket`. INVALID_ARGUMENT for what is none of them; the message repeats
 * nothing of it.
 */
export function parseGcsLocation(location: string): ParsedGcsLocation {
  const rest = location.startsWith('gs:') ? location.slice('gs:'.length) : '';
  if (/[?#]/.test(rest)) throw invalid('"?" and "#" have no meaning in it');
  const url = rest.startsWith('//');
  const path = url ? rest.slice(2) : rest;
  const end = path.search(url ? /\// : /:/);
  const bucket = end < 0 ? path : path.slice(0, end);
  if (bucket === '') throw invalid('it names no bucket');
  if (/[@:/]/.test(bucket)) throw invalid('a bucket has no "@", ":" or "/" in its name');
  const prefix = path
    .slice(bucket.length + 1)
    .split('/')
    .filter((segment) => segment !== '')
    .join('/');
  return { bucket, ...(prefix !== '' && { prefix }) };
}

function invalid(why: string): PackvaultError {
  return new PackvaultError({
    code: 'INVALID_ARGUMENT',
    message: `This is no location of Google Cloud Storage: ${why}. Write gs://BUCKET/PREFIX; credentials come from the environment. Nothing was opened.`,
  });
}
