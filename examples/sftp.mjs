/**
 * Backs up what a command prints, such as a database dump, to a server that you reach by ssh, without a temporary file. Then it
 * lists what is there, and reads a part from the middle of the newest backup.
 *
 *     PACKVAULT_PASSWORD=… node examples/sftp.mjs sftp://USER@HOST//srv/backups pg_dump --format=plain shop
 *
 * It needs ssh2 beside packvault. The login is what ssh would use: ssh-agent or a key in ~/.ssh, and the server must be in
 * ~/.ssh/known_hosts, which it is after you have connected once with ssh. SFTP_KEY and SFTP_KNOWN_HOSTS name other files.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { PackvaultError, Repository } from 'packvault';
import { parseSftpLocation, SftpBackend } from 'packvault/sftp';

const [location, command, ...args] = process.argv.slice(2);
const { PACKVAULT_PASSWORD: passphrase, SFTP_KEY, SFTP_KNOWN_HOSTS } = process.env;
if (command === undefined || passphrase === undefined) {
  console.error('Usage: PACKVAULT_PASSWORD=… node examples/sftp.mjs sftp://USER@HOST//PATH COMMAND [ARGUMENT…]');
  process.exit(2);
}

/** What a command prints. A command that fails spoils the stream, so that half a dump never becomes a backup. */
async function* outputOf(program, words) {
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  yield* child.stdout;
  const [code, signal] = await ended;
  if (code !== 0) throw new Error(`${program} failed (${signal ?? `exit code ${code}`}): nothing was backed up`);
}

/** Opens the repository, and makes it the first time. */
async function open(store) {
  try {
    return await Repository.open(store, { passphrase });
  } catch (error) {
    if (!PackvaultError.is(error) || error.code !== 'NOT_A_REPOSITORY') throw error;
    return Repository.init(store, { passphrase });
  }
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

async function main() {
  const store = new SftpBackend({
    ...parseSftpLocation(location),
    ...(SFTP_KEY && { privateKeyPath: SFTP_KEY }),
    ...(SFTP_KNOWN_HOSTS && { knownHosts: SFTP_KNOWN_HOSTS }),
  });
  try {
    const repository = await open(store);
    try {
      await backUpAndLook(repository);
    } finally {
      await repository.close();
    }
  } finally {
    // The repository didn't make the store, so it leaves it open.
    await store[Symbol.asyncDispose]();
  }
}

async function backUpAndLook(repository) {
  const snapshot = await repository.ingest(outputOf(command, args), {
    items: [{ name: 'dump.sql', type: 'database' }],
    tags: { job: 'example' },
  });
  console.error(`Stored ${megabytes(snapshot.originalSize)} as ${megabytes(snapshot.storedSize)} in ${snapshot.id}.`);

  for await (const { id, createdAt, originalSize } of repository.snapshots({ tags: { job: 'example' } })) {
    console.error(`  ${id}  ${createdAt}  ${megabytes(originalSize)}`);
  }

  // Only the packs that hold this part are read for it.
  const length = Math.min(200, snapshot.originalSize);
  const offset = Math.floor((snapshot.originalSize - length) / 2);
  console.error(`${length} bytes from the middle of the newest:`);
  await pipeline(await repository.restore(snapshot.id, { offset, length }), process.stdout, { end: false });
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
