import { EXIT } from '../exit-codes.ts';
import type { Command } from '../main.ts';

export const command: Command = {
  usage: `Usage: packvault reindex
Writes indexes anew for packs that snapshots need and that no readable index names.`,
  async run(context) {
    const options = { signal: context.signal, onProgress: context.onProgress };
    await context.withRepository((repository) => repository.reindex(options));
    context.result('summary', {}, () => 'The index is complete.');
    return EXIT.ok;
  },
};
