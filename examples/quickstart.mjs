// The twelve lines of the README: stores a file, lists what is stored, gives it back.
import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Repository } from 'packvault';

const repository = await Repository.init('backups', { passphrase: process.env.PACKVAULT_PASSWORD });
const snapshot = await repository.ingest(createReadStream('dump.sql'), { tags: { service: 'shop' } });
console.log(`${snapshot.id}: ${snapshot.originalSize} bytes, ${snapshot.storedSize} stored`);
for (const { id, createdAt } of await repository.listSnapshots()) console.log(id, createdAt);
await pipeline(await repository.restore('latest'), createWriteStream('restored.sql'));
await repository.close();
