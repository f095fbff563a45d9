// Opens a repository, uses it, and neither closes it nor ends the process: that must end by itself.
import { Repository } from 'packvault';
import { input } from './input.mjs';

const { folder } = await input();
const repository = await Repository.init(folder, { memoryLimit: 64 << 20, packSize: 1 << 20, parity: false });
await repository.ingest(Buffer.from('hello'));
const stream = await repository.restore('latest');
repository.on('ingest:progress', () => undefined);
console.log(`idle ${stream.destroyed}`);
