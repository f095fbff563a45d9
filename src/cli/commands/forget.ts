import { EXIT, UsageError } from '../exit-codes.ts';
import type { Command } from '../options.ts';
import { REMOVING, removing, text } from './prune.ts';

export const command: Command = {
  synopsis: ['forget ID... [OPTIONS]'],
  about:
    'Removes these snapshots, and whatever nothing needs any more. ID: whole, or the start of one. If one is unknown, none is removed.',
  options: REMOVING,
  most: 10_000,
  async run(context) {
    const ids = context.positionals;
    if (ids.length === 0) throw new UsageError('Which snapshots? Give their ids; packvault snapshots lists them.');
    const options = removing(context);
    const result = await context.withRepository((repository) => repository.forget(ids, options));
    context.output.result('summary', { dryRun: options.dryRun, ...result }, () => text(result, options.dryRun));
    return EXIT.ok;
  },
};
