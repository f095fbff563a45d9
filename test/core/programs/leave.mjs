// Leaves by `process.exit`, by an exception or by a signal while an ingest and a restore are under way.
import { Repository } from 'packvault';
import { input, noise } from './input.mjs';

const { folder, how } = await input();
const repository = await Repository.open(folder, { memoryLimit: 64 << 20, threads: 2 });

async function* endless() {
  for (let seed = 1; ; seed += 1) {
    if (seed === 5) {
      if (how === 'exit') process.exit(7);
      if (how === 'throw')
        queueMicrotask(() => {
          throw new Error('on purpose');
        });
      if (how === 'signal') process.kill(process.pid, 'SIGTERM');
    }
    yield noise(seed, 1_000_000);
  }
}

const stream = await repository.restore('latest');
stream.resume();
await repository.ingest(endless());
