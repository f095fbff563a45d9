/** A repository in a bucket: AWS S3, or any server that speaks its protocol. */
export { S3Backend } from './backend.ts';
export { parseS3Location } from './location.ts';
export type { S3BackendOptions, S3ClientLike, S3Credentials } from './options.ts';
