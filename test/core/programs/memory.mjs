// Streams a lot of data through one call and prints the most memory that this process had.
import { Repository } from 'packvault';
import { input, noise } from './input.mjs';

const { folder, job, size, memoryLimit, options } = await input();
const block = 1 << 20;

// New bytes all the time, without the time that making them would take: a different word at the head of every 64 KiB.
function* data() {
  const body = noise(1, block);
  const words = new Uint32Array(body.buffer, body.byteOffset, block / 4);
  for (let at = 0; at < size; at += block) {
    for (let word = 0; word < words.length; word += 2_048) words[word] = at / block + word * 65_537;
    yield body.subarray(0, Math.min(block, size - at));
  }
}

if (job === 'hoard') {
  // Planted: what a program looks like that reads ahead without bound.
  const all = [];
  for (const part of data()) all.push(Uint8Array.from(part));
  if (all.length === 0) throw new Error('nothing');
} else if (job === 'ingest') {
  const repository = await Repository.init(folder, { memoryLimit, ...options });
  await repository.ingest(data());
  await repository.close();
} else {
  const repository = await Repository.open(folder, { memoryLimit, ...options });
  if (job === 'restore') {
    let bytes = 0;
    for await (const part of await repository.restore('latest')) bytes += part.length;
    if (bytes !== size) throw new Error(`${bytes} bytes came back`);
  } else if (job === 'restoreTo') await repository.restoreTo(`${folder}.out`, 'latest', { overwrite: true });
  else if (job === 'verify') {
    const { ok } = await repository.verify({ level: 'full' });
    if (!ok) throw new Error('faults');
  } else await repository[job]();
  await repository.close();
}
// KiB on every system that Node 20 runs on.
console.log(process.resourceUsage().maxRSS * 1_024);
