import type { RepairResult } from '../../index.ts';
import { EXIT } from '../exit-codes.ts';
import type { Command } from '../options.ts';
import { counted } from '../render.ts';

export const command: Command = {
  synopsis: ['repair'],
  about: `Puts back second copies, finds lost indexes, rebuilds packs and parity. What is lost beyond parity is marked, so that the next
backup of the same data stores it again; then the exit code is 3. May be stopped and run again.`,
  async run(context) {
    const options = { signal: context.signal, onProgress: context.onProgress };
    const result = await context.withRepository((repository) => repository.repair(options));
    context.output.result('summary', result, () => text(result));
    return result.packsLost.length > 0 || result.snapshotsDamaged.length > 0 ? EXIT.partial : EXIT.ok;
  },
};

function text(result: RepairResult): string {
  const { packsRepaired, parityRepaired, indexRebuilt, packsLost, snapshotsDamaged } = result;
  const copies = result.snapshotsRestored + result.copiesRestored;
  const done = [
    ...(packsRepaired > 0 ? [`${counted(packsRepaired, 'pack')} rebuilt`] : []),
    ...(parityRepaired > 0 ? [`${counted(parityRepaired, 'parity object')} rebuilt`] : []),
    ...(copies > 0 ? [`${copies} second ${copies === 1 ? 'copy' : 'copies'} put back`] : []),
    ...(indexRebuilt ? ['index completed'] : []),
  ];
  const lines = [done.length === 0 ? 'There was nothing to repair.' : `Repaired: ${done.join(', ')}.`];
  if (packsLost.length > 0) lines.push(`LOST in part, beyond parity: ${counted(packsLost.length, 'pack')}.`);
  if (snapshotsDamaged.length > 0) {
    lines.push(
      `DAMAGED snapshots: ${snapshotsDamaged.join(', ')}`,
      'Back up the same data again: what is still there heals them.',
    );
  }
  return lines.join('\n');
}
