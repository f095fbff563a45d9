// Works until it is terminated; the way there is another one each round.
import { parentPort, workerData } from 'node:worker_threads';
import { Repository } from 'packvault';
import { noise } from './input.mjs';

const { folder, round } = workerData;
const tell = parentPort.postMessage.bind(parentPort);
const repository = await Repository.open(folder, { memoryLimit: 64 << 20, threads: 2 });

async function* endless() {
  for (let seed = round * 1_000; ; seed += 1) {
    if (seed === round * 1_000 + 5) tell('at work');
    yield noise(seed, 1_000_000);
  }
}

if (round % 3 === 0) await repository.ingest(endless());
else if (round % 3 === 1) {
  for (;;) {
    for await (const part of await repository.restore('latest')) if (part.length > 0) tell('at work');
  }
} else {
  // A store under way when the thread ends, and one call that waits for nothing.
  const never = new ReadableStream({ pull: () => tell('at work') });
  await Promise.all([repository.ingest(never), repository.ingest(endless())]);
}
