import type { VerifyOptions } from '../../index.ts';
import { EXIT, UsageError } from '../exit-codes.ts';
import type { Command } from '../main.ts';
import { bytes } from '../render.ts';

export const command: Command = {
  usage: `Usage: packvault verify [OPTIONS]
Checks what is stored and changes nothing. Exit code 4 if there is damage.
  --level LEVEL   quick: everything named is there; standard (default): every stored byte is authenticated;
                  full: every chunk is decompressed, too
  --sample SHARE  read this share of packs, 0 to 1`,
  options: { level: { type: 'string' }, sample: { type: 'string' } },
  async run(context) {
    const sample = context.text('sample');
    if (sample !== undefined && Number.isNaN(Number(sample)))
      throw new UsageError('--sample takes a number from 0 to 1.');
    const options: VerifyOptions = {
      level: context.text('level') as VerifyOptions['level'],
      sample: sample === undefined ? undefined : Number(sample),
      signal: context.signal,
      onProgress: context.onProgress,
    };
    const result = await context.withRepository((repository) => repository.verify(options));
    for (const fault of result.errors) {
      const where = fault.key ?? fault.pack ?? fault.snapshot ?? fault.chunk ?? '';
      const tail = fault.repairable ? 'repair can make it good' : 'beyond repair';
      context.result('fault', fault, () => `${fault.code} ${where}: ${fault.error} (${tail})`);
    }
    const { packsChecked, chunksChecked, snapshotsChecked, bytesRead } = result.stats;
    const checked = `${snapshotsChecked} snapshots, ${packsChecked} packs, ${chunksChecked} chunks checked, ${bytes(bytesRead)} read`;
    const faults = result.errors.length;
    const beyond = result.errors.filter((fault) => !fault.repairable).length;
    context.result('summary', { ok: result.ok, faults, ...result.stats }, () =>
      result.ok
        ? `No damage. ${checked}.`
        : `${faults} faults, ${beyond} of them beyond repair. ${checked}.\nRun packvault repair; then back up the same data again if something is beyond repair.`,
    );
    return result.ok ? EXIT.ok : EXIT.integrity;
  },
};
