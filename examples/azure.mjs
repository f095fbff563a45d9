/**
 * Backs up what a command prints, such as a database dump, straight into a container of Azure Blob Storage, without a temporary file. Then it lists what is
 * there, and reads a part from the middle of the newest backup.
 *
 *     export AZURE_STORAGE_ACCOUNT=… AZURE_STORAGE_KEY=… PACKVAULT_PASSWORD=…
 *     node examples/azure.mjs azure:CONTAINER:/backups pg_dump --format=plain shop
 *
 * It needs @azure/storage-blob beside packvault. AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_SAS_TOKEN do as well; without any
 * of them, @azure/identity looks for a login (az login, managed identity, …).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { PackvaultError, Repository } from 'packvault';
import { AzureBackend, parseAzureLocation } from 'packvault/azure';

const [location, command, ...args] = process.argv.slice(2);
const passphrase = process.env.PACKVAULT_PASSWORD;
if (command === undefined || passphrase === undefined) {
  console.error('Usage: PACKVAULT_PASSWORD=… node examples/azure.mjs azure:CONTAINER:/PREFIX COMMAND [ARGUMENT…]');
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
  const repository = await open(new AzureBackend(parseAzureLocation(location)));
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
