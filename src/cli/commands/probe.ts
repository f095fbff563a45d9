import { probeStore } from '../../index.ts';
import { EXIT, UsageError } from '../exit-codes.ts';
import type { Command } from '../options.ts';
import { columns, table } from '../render.ts';

export const command: Command = {
  synopsis: ['probe LOCATION'],
  about: `Finds out what a store really does, with small objects that are deleted again. init does the same. The exit code is 1 if no repository can be
kept there.`,
  most: 1,
  standalone: true,
  async run(context) {
    const [location] = context.positionals;
    if (location === undefined) throw new UsageError('Which store? Give a location, such as s3://bucket/prefix.');
    const { findings, ...result } = await probeStore(location, { signal: context.signal });
    for (const finding of findings) context.output.record('finding', finding);
    const rows = findings.map(({ name, ok, required, detail }) => [name, ok ? 'yes' : required ? 'NO' : 'no', detail]);
    context.output.result('summary', result, () =>
      [table(['Guarantee', 'Kept', 'What was seen'], rows, columns()), '', verdict(result)].join('\n'),
    );
    return result.usable ? EXIT.ok : EXIT.failed;
  },
};

function verdict({ usable, exclusiveCreate }: { readonly usable: boolean; readonly exclusiveCreate: boolean }): string {
  if (!usable) return 'No repository can be kept there.';
  return exclusiveCreate
    ? 'A repository can be kept there, and several machines may prune it at once.'
    : 'A repository can be kept there. Backups are safe; only one machine may ever prune it (--sole-maintainer).';
}
