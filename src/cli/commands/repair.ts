import { EXIT } from '../exit-codes.ts';
import type { Command } from '../main.ts';

export const command: Command = {
  usage: `Usage: packvault repair
Puts back second copies, finds lost indexes, rebuilds packs and parity. What is lost beyond parity is marked, so that the next
backup of the same data stores it again; then the exit code is 3.`,
  async run(context) {
    const options = { signal: context.signal, onProgress: context.onProgress };
    const result = await context.withRepository((repository) => repository.repair(options));
    context.result('summary', result, () => {
      const lines = [
        `${result.packsRepaired} packs and ${result.parityRepaired} parity objects rebuilt`,
        `${result.snapshotsRestored + result.copiesRestored} second copies put back`,
        `index ${result.indexRebuilt ? 'completed' : 'as it was'}`,
      ];
      if (result.packsLost.length > 0) lines.push(`${result.packsLost.length} packs lost in part beyond parity`);
      if (result.snapshotsDamaged.length > 0) {
        lines.push(
          `damaged snapshots: ${result.snapshotsDamaged.join(', ')}`,
          'Back up the same data again: what is still there heals them.',
        );
      }
      return lines.join('\n');
    });
    return result.packsLost.length > 0 || result.snapshotsDamaged.length > 0 ? EXIT.partial : EXIT.ok;
  },
};
