// Ends worker threads in the middle of ingests and restores, again and again. What is left must be whole, and the process alive.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Repository } from 'packvault';
import { input } from './input.mjs';

const { folder, rounds } = await input();
const made = await Repository.init(folder, {
  memoryLimit: 64 << 20,
  packSize: 1 << 20,
  parity: { data: 4, parity: 2 },
});
const first = await made.ingest(Buffer.alloc(3_000_000, 'first'));
for (let round = 0; round < rounds; round += 1) {
  const worker = new Worker(new URL('worker.mjs', import.meta.url), { workerData: { folder, round } });
  const [message] = await once(worker, 'message');
  if (message !== 'at work') throw new Error(String(message));
  await worker.terminate();
}
const { ok, errors } = await made.verify({ level: 'full' });
const ids = (await made.listSnapshots()).map(({ id }) => id);
console.log(JSON.stringify({ ok, errors, first: ids.includes(first.id) }));
await made.close();
