import { EXIT } from '../exit-codes.ts';
import type { Command } from '../options.ts';

export const command: Command = {
  synopsis: ['reindex'],
  about: 'Writes indexes anew for packs that snapshots need and that no readable index names. Touches no data.',
  async run(context) {
    const options = { signal: context.signal, onProgress: context.onProgress };
    await context.withRepository((repository) => repository.reindex(options));
    context.output.result('summary', {}, () => 'The index is complete.');
    return EXIT.ok;
  },
};
