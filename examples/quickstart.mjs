// Stores a file, lists what is stored, gives it back. The passphrase loses the data if it is lost.
import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Repository } from 'packvault';

const passphrase = process.env.PACKVAULT_PASSWORD ?? 'correct horse battery staple';
const repository = await Repository.init('backups', { passphrase }); // the next time: Repository.open

const source = createReadStream('dump.sql'); // or any other stream, such as the output of pg_dump
const snapshot = await repository.ingest(source, { tags: { database: 'orders' } });
for (const { id, createdAt, originalSize } of await repository.listSnapshots())
  console.log(id, createdAt, originalSize);

await pipeline(await repository.restore(snapshot.id), createWriteStream('restored.sql'));
await repository.close();
