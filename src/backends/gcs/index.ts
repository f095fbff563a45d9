/** A repository in a bucket of Google Cloud Storage. */
export { GcsBackend } from './backend.ts';
export { parseGcsLocation } from './location.ts';
export type { GcsBackendOptions, GcsStorageLike } from './options.ts';
