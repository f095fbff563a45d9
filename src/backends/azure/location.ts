/** Locations of Azure Blob Storage: `azure:container:/prefix`. */
import { PackvaultError } from '../../core/errors.ts';
import type { AzureBackendOptions } from './options.ts';

/** What a location says. Account and credentials come from elsewhere, never from here. */
export type ParsedAzureLocation = Pick<AzureBackendOptions, 'container' | 'prefix'>;

/**
 * Reads `azure:container:/prefix`; `azure:container:/` and `azure:container` name the whole container. INVALID_ARGUMENT for
 * what is none of them; the message repeats nothing of it.
 */
export function parseAzureLocation(location: string): ParsedAzureLocation {
  const rest = location.startsWith('azure:') ? location.slice('azure:'.length) : '';
  const [container = '', ...after] = rest.split(':');
  const path = after.join(':');
  if (container === '') throw invalid('it names no container');
  if (container.includes('/') || path.startsWith('//'))
    throw invalid('a container has no "/" in its name, and no URL is read');
  if (/[?#]/.test(rest)) throw invalid('"?" and "#" have no meaning in it');
  const prefix = path
    .split('/')
    .filter((segment) => segment !== '')
    .join('/');
  return { container, ...(prefix !== '' && { prefix }) };
}

function invalid(why: string): PackvaultError {
  return new PackvaultError({
    code: 'INVALID_ARGUMENT',
    message: `This is no location of Azure Blob Storage: ${why}. Write azure:CONTAINER:/PREFIX; the account and its credentials come from the environment. Nothing was opened.`,
  });
}
