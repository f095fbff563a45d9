/** fake-gcs-server, an emulator of Google Cloud Storage. It asks nobody for credentials. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { answers, HOST, Server, words } from './server.mjs';

class GcsServer extends Server {
  projectId = 'test';

  /** Makes a bucket and returns its name, by default a new one. */
  async createBucket(name = `bucket-${randomBytes(6).toString('hex')}`) {
    const response = await fetch(`${this.url}/storage/v1/b?project=${this.projectId}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name }),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`bucket ${name} could not be made: ${response.status} ${answer}`);
    return name;
  }
}

/** With `memory` it loses all on a restart, and a key may be a folder of another. */
export function startFakeGcs({ memory = false } = {}) {
  const recipe = {
    name: 'fake-gcs',
    command: (binary, port, folder) => [
      ...words`${binary} -scheme http -host ${HOST} -port ${port} -public-host ${HOST}:${port} -log-level error`,
      ...(memory ? words`-backend memory` : words`-backend filesystem -filesystem-root ${join(folder, 'data')}`),
    ],
    ready: (port) => answers(`http://${HOST}:${port}/_internal/healthcheck`),
  };
  return new GcsServer(recipe).start();
}
