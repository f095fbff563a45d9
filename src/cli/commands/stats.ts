import { EXIT } from '../exit-codes.ts';
import type { Command } from '../options.ts';
import { bytes, fields } from '../render.ts';

export const command: Command = {
  synopsis: ['stats'],
  about: 'Sizes and ratios of the whole repository.',
  async run(context) {
    const stats = await context.withRepository((repository) => repository.stats({ signal: context.signal }));
    context.output.result('summary', stats, () =>
      fields([
        ['Snapshots', `${stats.snapshots}, of ${bytes(stats.originalBytes)} in all`],
        ['Stored', `${bytes(stats.storedBytes)} in ${stats.packs} packs, ${stats.chunks} chunks`],
        ['Parity', bytes(stats.parityBytes)],
        ['Deduplication', `${stats.dedupRatio.toFixed(2)} : 1`],
        ['Compression', `${stats.compressionRatio.toFixed(2)} : 1`],
      ]),
    );
    return EXIT.ok;
  },
};
