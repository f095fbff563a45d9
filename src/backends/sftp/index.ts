/** A repository on a server that speaks SFTP, by way of ssh2. */
export { SftpBackend } from './backend.ts';
export { parseSftpLocation, type SftpPlace } from './location.ts';
export type { SftpBackendOptions, SftpClientOptions } from './options.ts';
export type { SshClientLike } from './ssh2.ts';
