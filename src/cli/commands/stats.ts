import { EXIT } from '../exit-codes.ts';
import type { Command } from '../main.ts';
import { bytes } from '../render.ts';

export const command: Command = {
  usage: 'Usage: packvault stats',
  async run(context) {
    const stats = await context.withRepository((repository) => repository.stats({ signal: context.signal }));
    context.result('summary', stats, () =>
      [
        `${stats.snapshots} snapshots of ${bytes(stats.originalBytes)} in all`,
        `${stats.chunks} chunks in ${stats.packs} packs: ${bytes(stats.storedBytes)}, parity ${bytes(stats.parityBytes)}`,
        `deduplication ${stats.dedupRatio.toFixed(2)} : 1, compression ${stats.compressionRatio.toFixed(2)} : 1`,
      ].join('\n'),
    );
    return EXIT.ok;
  },
};
