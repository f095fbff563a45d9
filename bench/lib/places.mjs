// The real servers of test/servers as places for repositories, each behind a network whose latency is set.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  isAvailable,
  startAzurite,
  startFakeGcs,
  startMinio,
  startSshd,
  startToxiproxy,
} from '../../test/servers/index.mjs';

/** Clock ticks of proc(5) in a second. */
const TICKS = 100;

/** Of each server: how to start it, and where a client that comes through `proxy` finds a repository. */
const SERVERS = {
  s3: {
    program: 'minio',
    start: startMinio,
    async place(server, proxy) {
      const { accessKeyId, secretAccessKey } = server.credentials;
      const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
      return { env, location: `s3:${proxy.url}/${await server.createBucket()}/bench` };
    },
  },
  azure: {
    program: 'azurite',
    start: startAzurite,
    async place(server, proxy) {
      const env = { AZURE_STORAGE_CONNECTION_STRING: server.connectionString.replaceAll(server.url, proxy.url) };
      return { env, location: `azure:${await server.createContainer()}:/bench` };
    },
  },
  gcs: {
    program: 'fake-gcs',
    start: startFakeGcs,
    async place(server, proxy) {
      return { env: { STORAGE_EMULATOR_HOST: proxy.url }, location: `gs://${await server.createBucket()}/bench` };
    },
  },
  sftp: {
    program: 'sshd',
    start: startSshd,
    async place(server, proxy) {
      const home = join(server.folder, 'home');
      mkdirSync(join(home, '.ssh'), { recursive: true, mode: 0o700 });
      copyFileSync(server.privateKeyPath, join(home, '.ssh', 'id_ed25519'));
      writeFileSync(
        join(home, '.ssh', 'known_hosts'),
        server.knownHosts.replace(`:${server.port} `, `:${proxy.port} `),
      );
      const location = `sftp://${server.username}@${proxy.host}:${proxy.port}/${server.data}/bench`;
      return { env: { HOME: home, SSH_AUTH_SOCK: '' }, location };
    },
  },
};

export const STORES = [...Object.keys(SERVERS), 'local'];

/** Programs that the places of these stores need. */
export function programsFor(stores) {
  const names = stores.filter((store) => store !== 'local').map((store) => SERVERS[store].program);
  return names.length === 0 ? [] : [...names, 'toxiproxy'];
}

/**
 * Starts a store with a round trip of `latency` ms, half of it in each direction, on top of the loopback's. Without latency requests go
 * through the same proxy. `env` is what a client needs, `cpu()` tells the seconds that server and proxy have used so far.
 */
export async function startPlace(store, latency, folder) {
  if (store === 'local') return { location: join(folder, 'repository'), env: {}, cpu: () => 0, stop: async () => {} };
  const { program, start, place } = SERVERS[store];
  if (!isAvailable(program, 'toxiproxy')) throw new Error(`${program} or toxiproxy is not there.`);
  const [server, toxiproxy] = await Promise.all([start(), startToxiproxy()]);
  const stop = async () => void (await Promise.all([server.stop(), toxiproxy.stop()]));
  try {
    const proxy = await toxiproxy.proxy(server);
    for (const stream of latency > 0 ? ['upstream', 'downstream'] : []) {
      await proxy.add('latency', { latency: latency / 2 }, { stream });
    }
    const cpu = () => cpuOf(server.pid) + cpuOf(toxiproxy.pid);
    return { ...(await place(server, proxy)), cpu, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** CPU seconds of a process and of those of its children that have ended, where the system tells. */
function cpuOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS;
  } catch {
    return 0;
  }
}
