/** A repository in a folder: the local disk, or whatever is mounted as one. */
export { LocalBackend } from './backend.ts';
export type { FileSystem, LocalBackendOptions } from './options.ts';
