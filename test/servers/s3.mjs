/** S3 servers. MinIO is the default; of the others, rclone and s3s-fs break create-only and are there to be found out. */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { answers, HOST, Server, words } from './server.mjs';

const REGION = 'us-east-1';

class S3Server extends Server {
  region = REGION;

  constructor(recipe, credentials) {
    super(recipe);
    this.credentials = credentials;
  }

  /** Makes a bucket and returns its name, by default a new one. */
  async createBucket(name = `bucket-${randomBytes(6).toString('hex')}`) {
    const client = new S3Client({
      endpoint: this.url,
      region: REGION,
      forcePathStyle: true,
      credentials: this.credentials,
    });
    try {
      await client.send(new CreateBucketCommand({ Bucket: name }));
    } finally {
      client.destroy();
    }
    return name;
  }
}

function newCredentials() {
  return { accessKeyId: `user${randomBytes(6).toString('hex')}`, secretAccessKey: randomBytes(20).toString('hex') };
}

/** Whether somebody listens. */
function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

export function startMinio() {
  const credentials = newCredentials();
  const recipe = {
    name: 'minio',
    command: (binary, port, folder) =>
      words`${binary} server ${join(folder, 'data')} --address ${HOST}:${port} --quiet --anonymous`,
    env: {
      MINIO_ROOT_USER: credentials.accessKeyId,
      MINIO_ROOT_PASSWORD: credentials.secretAccessKey,
      MINIO_BROWSER: 'off',
      MINIO_UPDATE: 'off',
    },
    // Its `ready` says so too early: calls then fail with XMinioServerNotInitialized.
    ready: (port) => answers(`http://${HOST}:${port}/minio/health/cluster`),
  };
  return new S3Server(recipe, credentials).start();
}

export function startVersitygw() {
  const credentials = newCredentials();
  const recipe = {
    name: 'versitygw',
    command: (binary, port, folder) =>
      words`${binary} --port ${HOST}:${port} --health /health --quiet posix ${join(folder, 'data')}`,
    env: { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
    ready: (port) => answers(`http://${HOST}:${port}/health`),
  };
  return new S3Server(recipe, credentials).start();
}

export function startRcloneS3() {
  const credentials = newCredentials();
  const recipe = {
    name: 'rclone',
    prepare: (folder) => mkdirSync(join(folder, 'cache')),
    command: (binary, port, folder) =>
      words`${binary} serve s3 ${join(folder, 'data')} --addr ${HOST}:${port} --vfs-cache-mode writes
        --cache-dir ${join(folder, 'cache')} --config NONE -q`,
    env: { RCLONE_AUTH_KEY: `${credentials.accessKeyId},${credentials.secretAccessKey}` },
    ready: listens,
  };
  return new S3Server(recipe, credentials).start();
}

export function startS3sFs() {
  const credentials = newCredentials();
  const recipe = {
    name: 's3s-fs',
    // It reads its credentials from the command line only; they are worth nothing beyond this process.
    command: (binary, port, folder) =>
      words`${binary} --host ${HOST} --port ${port} --access-key ${credentials.accessKeyId}
        --secret-key ${credentials.secretAccessKey} ${join(folder, 'data')}`,
    ready: listens,
  };
  return new S3Server(recipe, credentials).start();
}
