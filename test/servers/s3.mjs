/** S3 servers. MinIO is the default; of the others, rclone and s3s-fs break create-only and are there to be found out. */
import { createHash, createHmac, randomBytes } from 'node:crypto';
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

class Minio extends S3Server {
  /** Temporary credentials that may do only `actions` (STS AssumeRole with a session policy). */
  async restricted(actions) {
    const policy = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: actions, Resource: ['arn:aws:s3:::*'] }],
    };
    const body = String(
      new URLSearchParams({ Action: 'AssumeRole', Version: '2011-06-15', Policy: JSON.stringify(policy) }),
    );
    const headers = { ...signed(this, 'sts', body), 'content-type': 'application/x-www-form-urlencoded' };
    const response = await fetch(this.url, { method: 'POST', headers, body });
    const text = await response.text();
    const [accessKeyId, secretAccessKey, sessionToken] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken'].map(
      (name) => new RegExp(`<${name}>([^<]+)<`).exec(text)?.[1],
    );
    if (sessionToken === undefined) throw new Error(`no temporary credentials: ${response.status} ${text}`);
    return { accessKeyId, secretAccessKey, sessionToken };
  }
}

function hash(text) {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key, text) {
  return createHmac('sha256', key).update(text).digest();
}

/** Headers of a signed POST to `/` (AWS Signature Version 4). */
function signed({ host, port, credentials }, service, body) {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = [time.slice(0, 8), REGION, service, 'aws4_request'];
  const names = 'host;x-amz-date';
  const canonical = `POST\n/\n\nhost:${host}:${port}\nx-amz-date:${time}\n\n${names}\n${hash(body)}`;
  const key = scope.reduce((last, word) => hmac(last, word), `AWS4${credentials.secretAccessKey}`);
  const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope.join('/'), hash(canonical)].join('\n')).toString('hex');
  const credential = `${credentials.accessKeyId}/${scope.join('/')}`;
  return {
    'x-amz-date': time,
    authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`,
  };
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
      // Lets it encrypt what it stores, where a bucket or a request asks for that.
      MINIO_KMS_SECRET_KEY: `test:${randomBytes(32).toString('base64')}`,
    },
    // Its `ready` says so too early: calls then fail with XMinioServerNotInitialized.
    ready: (port) => answers(`http://${HOST}:${port}/minio/health/cluster`),
  };
  return new Minio(recipe, credentials).start();
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
        --cache-dir ${join(folder, 'cache')} --config /dev/null`,
    // A list in CSV, of pairs that hold a comma.
    env: { RCLONE_AUTH_KEY: `"${credentials.accessKeyId},${credentials.secretAccessKey}"` },
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
