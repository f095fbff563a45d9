/**
 * Backs up what a command prints, such as a database dump, straight into a bucket of Google Cloud Storage, without a temporary file. Then it lists what is
 * there, and reads a part from the middle of the newest backup.
 *
 *     export GOOGLE_APPLICATION_CREDENTIALS=key.json PACKVAULT_PASSWORD=…
 *     node examples/gcs.mjs gs://BUCKET/backups pg_dump --format=plain shop
 *
 * It needs @google-cloud/storage beside packvault. Without a key it takes the login of gcloud auth application-default login, or the
 * one of the machine that it runs on.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { PackvaultError, Repository } from 'packvault';
import { GcsBackend, parseGcsLocation } from 'packvault/gcs';

const [location, command, ...args] = process.argv.slice(2);
const passphrase = process.env.PACKVAULT_PASSWORD;
if (command === undefined || passphrase === undefined) {
  console.error('Usage: PACKVAULT_PASSWORD=… node examples/gcs.mjs gs://BUCKET/PREFIX COMMAND [ARGUMENT…]');
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
  const repository = await open(new GcsBackend(parseGcsLocation(location)));
  try {
    const snapshot = await repository.ingest(outputOf(command, args), {
      items: [{ name: 'dump.sql', type: 'database' }],
      tags: { job: 'example' },
    });
    console.error(`Stored ${megabytes(snapshot.originalSize)} as ${megabytes(snapshot.storedSize)} in ${snapshot.id}.`);

    for await (const { id, createdAt, originalSize } of repository.snapshots({ tags: { job: 'example' } })) {
      console.error(`  ${id}  ${createdAt}  ${megabytes(originalSize)}`);
    }

    // Only the packs that hold this part are asked for it.
    const length = Math.min(200, snapshot.originalSize);
    const offset = Math.floor((snapshot.originalSize - length) / 2);
    console.error(`${length} bytes from the middle of the newest:`);
    await pipeline(await repository.restore(snapshot.id, { offset, length }), process.stdout, { end: false });
  } finally {
    await repository.close();
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
