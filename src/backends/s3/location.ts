/** Locations of S3: `s3://bucket/prefix` on AWS, `s3:https://host/bucket/prefix` elsewhere. */
import { PackvaultError } from '../../core/errors.ts';
import type { S3BackendOptions } from './options.ts';

/** What a location says. Credentials come from elsewhere, never from here. */
export type ParsedS3Location = Pick<S3BackendOptions, 'bucket' | 'prefix' | 'endpoint'>;

/**
 * Reads `s3://bucket/prefix`, `s3:https://host:port/bucket/prefix` and `s3:host/bucket/prefix`, which means https. INVALID_ARGUMENT
 * for what is none of them. The message repeats nothing of a location that holds a login.
 */
export function parseS3Location(location: string): ParsedS3Location {
  const rest = location.startsWith('s3:') ? location.slice('s3:'.length) : '';
  if (rest.startsWith('//')) return inBucket(rest.slice(2), undefined);
  const scheme = /^https?:\/\//i.exec(rest)?.[0] ?? '';
  const [host = '', ...path] = rest.slice(scheme.length).split('/');
  if (host.includes('@')) throw invalid('it holds a login');
  if (host === '' || path.length === 0) throw invalid('it names no host and bucket');
  return inBucket(path.join('/'), `${scheme === '' ? 'https://' : scheme.toLowerCase()}${host}`);
}

function inBucket(path: string, endpoint: string | undefined): ParsedS3Location {
  const [bucket = '', ...segments] = path.split('/');
  if (bucket === '') throw invalid('it names no bucket');
  if (/[@:]/.test(bucket)) throw invalid('it holds a login');
  if (/[?#]/.test(path)) throw invalid('"?" and "#" have no meaning in it');
  const prefix = segments.filter((segment) => segment !== '').join('/');
  return { bucket, ...(prefix !== '' && { prefix }), ...(endpoint !== undefined && { endpoint }) };
}

function invalid(why: string): PackvaultError {
  return new PackvaultError({
    code: 'INVALID_ARGUMENT',
    message: `This is no location of S3: ${why}. Write s3://BUCKET/PREFIX for AWS, s3:https://HOST/BUCKET/PREFIX for another server; credentials come from the environment. Nothing was opened.`,
  });
}
