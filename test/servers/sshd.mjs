/** OpenSSH's sshd, for the user who runs the tests and with keys of its own. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { HOST, Server } from './server.mjs';

class SshServer extends Server {
  username = userInfo().username;

  get privateKeyPath() {
    return join(this.folder, 'user_key');
  }

  get privateKey() {
    return readFileSync(this.privateKeyPath, 'utf8');
  }

  /** The host's public key as it goes over the wire. */
  get hostKey() {
    return Buffer.from(this.#hostKeyFields[1], 'base64');
  }

  /** The line that a known_hosts file has for this server. */
  get knownHosts() {
    return `[${HOST}]:${this.port} ${this.#hostKeyFields.join(' ')}\n`;
  }

  get #hostKeyFields() {
    return readFileSync(join(this.folder, 'host_key.pub'), 'utf8').trim().split(' ').slice(0, 2);
  }

  /** Gives it another host key: what a client meets when somebody stands in between. Takes effect at once. */
  async changeHostKey() {
    generateKey(this.folder, 'host_key');
    await this.restart();
  }
}

/** `config` are further lines of sshd_config, which win over ours; `forceCommand` is what every session runs, default SFTP. */
export function startSshd({ config = [], forceCommand = 'internal-sftp' } = {}) {
  const recipe = {
    name: 'sshd',
    prepare: (folder) => {
      // As root it needs the folder of its unprivileged half, for as long as it runs.
      if (process.getuid() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
      generateKey(folder, 'host_key');
      generateKey(folder, 'user_key');
    },
    command: (binary, port, folder) => {
      const path = join(folder, 'sshd_config');
      writeFileSync(path, [...config, ...configOf(port, folder, forceCommand)].join('\n'));
      return [binary, '-D', '-e', '-f', path];
    },
    ready: greets,
  };
  return new SshServer(recipe).start();
}

function configOf(port, folder, forceCommand) {
  return [
    `Port ${port}`,
    `ListenAddress ${HOST}`,
    `HostKey ${join(folder, 'host_key')}`,
    'PidFile none',
    `AuthorizedKeysFile ${join(folder, 'user_key.pub')}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    'MaxStartups 100:30:200',
    'UseDNS no',
    'Subsystem sftp internal-sftp',
    `ForceCommand ${forceCommand}`,
    '',
  ];
}

function generateKey(folder, name) {
  const path = join(folder, name);
  const { status, error, stderr } = spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path], {
    input: 'y\n',
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`ssh-keygen failed: ${error?.message ?? stderr}`);
}

/** Whether an SSH server says who it is. */
function greets(port) {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    const end = (verdict) => {
      socket.destroy();
      resolve(verdict);
    };
    socket.setTimeout(2_000, () => end(false));
    socket.once('data', (data) => end(String(data).startsWith('SSH-2.0')));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
  });
}
