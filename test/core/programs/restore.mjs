// Restores into a file, slowly enough to be killed.
import { Repository } from 'packvault';
import { input } from './input.mjs';

const { folder, target } = await input();
const repository = await Repository.open(folder, { memoryLimit: 64 << 20, threads: 1, concurrency: 1 });
await repository.restoreTo(target, 'latest', { onProgress: ({ phase }) => console.log(phase) });
await repository.close();
