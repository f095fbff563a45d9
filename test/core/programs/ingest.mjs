// Backs up data of a seed into a folder, and prints what the snapshot must hold.
import { createHash } from 'node:crypto';
import { Repository } from 'packvault';
import { input, noise } from './input.mjs';

const { folder, seed } = await input();
const repository = await Repository.open(folder, { memoryLimit: 64 << 20, threads: 2 });
const body = Buffer.concat([noise(1, 2_000_000), noise(seed, 2_000_000)]);
const { id } = await repository.ingest(body);
console.log(JSON.stringify({ id, sha256: createHash('sha256').update(body).digest('hex') }));
await repository.close();
