import type { VerifyError, VerifyOptions, VerifyResult } from '../../index.ts';
import { EXIT, UsageError } from '../exit-codes.ts';
import type { Command } from '../options.ts';
import { bytes, counted, printable } from '../render.ts';

export const command: Command = {
  synopsis: ['verify [OPTIONS]'],
  about: 'Checks what is stored and changes nothing. Exit code 4 if there is damage.',
  options: {
    level: {
      type: 'string',
      value: 'LEVEL',
      about: `quick: everything that is named is there, and snapshots find their chunks
standard (default): every stored byte is authenticated, too
full: every chunk is decompressed and named anew, too`,
    },
    sample: { type: 'string', value: 'SHARE', about: 'read only this share of packs, 0 to 1, other ones each time' },
  },
  async run(context) {
    const options: VerifyOptions = {
      level: context.text('level') as VerifyOptions['level'],
      sample: share(context.text('sample')),
      signal: context.signal,
      onProgress: context.onProgress,
    };
    const result = await context.withRepository((repository) => repository.verify(options));
    for (const fault of result.errors) context.output.result('fault', fault, () => faultText(fault));
    const faults = result.errors.length;
    context.output.result('summary', { ok: result.ok, faults, ...result.stats }, () => summary(result));
    return result.ok ? EXIT.ok : EXIT.integrity;
  },
};

function share(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[\d.]+$/.test(text) || !(Number(text) <= 1))
    throw new UsageError(`--sample takes a number from 0 to 1, not ${JSON.stringify(text)}.`);
  return Number(text);
}

function faultText(fault: VerifyError): string {
  const where = fault.key ?? fault.pack ?? fault.snapshot ?? fault.chunk ?? '';
  const what = fault.error.startsWith(where) ? fault.error : `${where}: ${fault.error}`;
  return printable(`${fault.repairable ? 'DAMAGED' : 'LOST'}  ${what}`);
}

function summary({ ok, errors, stats }: VerifyResult): string {
  const { packsChecked, chunksChecked, snapshotsChecked, bytesRead } = stats;
  const checked = `Checked ${counted(snapshotsChecked, 'snapshot')}, ${counted(packsChecked, 'pack')}, ${counted(chunksChecked, 'chunk')}; ${bytes(bytesRead)} read.`;
  if (ok) return `No damage. ${checked}`;
  const lost = errors.filter((fault) => !fault.repairable).length;
  const advice =
    lost === 0
      ? 'Run packvault repair: it can make all of this good.'
      : `Run packvault repair, then back up the same data again: ${lost} of these are beyond repair.`;
  return `${counted(errors.length, 'fault')}. ${checked}\n${advice}`;
}
