/** Azurite, the emulator of Azure Blob Storage. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { HOST, Server, words } from './server.mjs';

class AzuriteServer extends Server {
  constructor(recipe, account) {
    super(recipe);
    this.account = account;
  }

  get accountUrl() {
    return `${this.url}/${this.account.name}`;
  }

  get connectionString() {
    const { name, key } = this.account;
    return `DefaultEndpointsProtocol=http;AccountName=${name};AccountKey=${key};BlobEndpoint=${this.accountUrl};`;
  }

  /** Makes a container and returns its name, by default a new one. */
  async createContainer(name = `container-${randomBytes(6).toString('hex')}`) {
    const credential = new StorageSharedKeyCredential(this.account.name, this.account.key);
    await new BlobServiceClient(this.accountUrl, credential).createContainer(name);
    return name;
  }
}

// It closes a connection that was idle for 5 s, at the very moment when a client may use it again; the cloud waits for minutes.
// It has an option for that, which it ignores.
const PATIENT = `data:text/javascript,${encodeURIComponent(`
  import http from 'node:http';
  const { createServer } = http;
  const patience = { get: () => 600_000, set() {} };
  http.createServer = (...words) => Object.defineProperty(createServer(...words), 'keepAliveTimeout', patience);
`)}`;

/** It flushes its index every five seconds: what was put less than that before `kill9` may be gone. */
export function startAzurite() {
  const account = { name: 'packvaulttest', key: randomBytes(64).toString('base64') };
  const recipe = {
    name: 'azurite',
    // Without the last word, it refuses the API version of newer SDKs.
    command: (script, port, folder) =>
      words`${process.execPath} --import ${PATIENT} ${script} --blobHost ${HOST} --blobPort ${port} --location ${join(folder, 'data')}
        --silent --disableTelemetry --skipApiVersionCheck`,
    env: { AZURITE_ACCOUNTS: `${account.name}:${account.key}` },
    ready: serves,
  };
  return new AzuriteServer(recipe, account).start();
}

/** Anonymous calls are refused, but answered. */
async function serves(port) {
  try {
    const response = await fetch(`http://${HOST}:${port}/`, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
