import { resolve } from 'node:path';
import { PackvaultError } from 'packvault';

/** @param {{ readonly folder: string }} options */
export function resolveOptions(options) {
  if (typeof options?.folder === 'string' && options.folder !== '') {
    return { folder: resolve(options.folder) };
  }
  throw new PackvaultError({
    code: 'INVALID_ARGUMENT',
    message: 'FlatBackend needs a folder. Nothing was read or written.',
  });
}
