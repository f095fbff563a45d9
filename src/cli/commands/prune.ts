import type { PruneOptions, PruneResult, RetentionPolicy } from '../../index.ts';
import type { Context } from '../context.ts';
import { EXIT, UsageError } from '../exit-codes.ts';
import type { Command, Options } from '../options.ts';
import { bytes, counted } from '../render.ts';

const RULES = {
  'keep-last': ['keepLast', 'the newest N'],
  'keep-hourly': ['keepHours', 'the newest of each of N hours that have any'],
  'keep-daily': ['keepDays', 'of each of N days'],
  'keep-weekly': ['keepWeeks', 'of each of N weeks, which begin on Monday'],
  'keep-monthly': ['keepMonths', 'of each of N months'],
  'keep-yearly': ['keepYears', 'of each of N years'],
} as const;

const rules: Options = Object.fromEntries(
  Object.entries(RULES).map(([name, [, about]]) => [name, { type: 'string', value: 'N', about } as const]),
);

/** Options of every verb that removes. */
export const REMOVING: Options = {
  'dry-run': { type: 'boolean', about: 'only say what would be removed' },
  'max-unused': { type: 'string', value: 'PERCENT', about: 'unused bytes that may stay; default 10' },
  'sole-maintainer': {
    type: 'boolean',
    about: "nobody else ever prunes here: for stores that can't tell which of two creates was first",
  },
};

export const command: Command = {
  synopsis: ['prune --keep-last 5 --keep-daily 30 --keep-weekly 12 --keep-monthly 6'],
  about: `Removes the snapshots that no rule keeps, and whatever nothing needs any more. Rules add up; the newest snapshot always stays. Backups and
restores may run meanwhile, and other prunes. May be stopped and run again.`,
  options: {
    ...rules,
    'keep-tag': { type: 'string', multiple: true, value: 'NAME=VALUE', about: 'all with this tag; may be repeated' },
    'group-by': {
      type: 'string',
      value: 'NAMES',
      about: 'apply the rules to each value of these tags, such as service,host',
    },
    'time-zone': { type: 'string', value: 'ZONE', about: 'whose calendar counts, such as Europe/Berlin; default UTC' },
    ...REMOVING,
  },
  async run(context) {
    const options = { ...removing(context), timeZone: context.text('time-zone') };
    const wanted = policy(context);
    const result = await context.withRepository((repository) => repository.prune(wanted, options));
    context.output.result('summary', { dryRun: options.dryRun, ...result }, () => text(result, options.dryRun));
    return EXIT.ok;
  },
};

function policy(context: Context): RetentionPolicy {
  const counts = Object.entries(RULES).flatMap(([name, [rule]]) => {
    const count = context.number(name);
    return count === undefined ? [] : [[rule, count] as const];
  });
  const keepTags = context.list('keep-tag').map((pair) => {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError(`--keep-tag takes NAME=VALUE, not ${JSON.stringify(pair)}.`);
    return { [pair.slice(0, at)]: pair.slice(at + 1) };
  });
  if (counts.length === 0 && keepTags.length === 0) {
    throw new UsageError('What shall stay? Give at least one --keep rule, such as --keep-last 5. Nothing was removed.');
  }
  const groupBy =
    context
      .text('group-by')
      ?.split(',')
      .filter((name) => name !== '') ?? [];
  return { ...Object.fromEntries(counts), keepTags, groupBy };
}

/** The options of the API that `REMOVING` stands for. */
export function removing(context: Context): PruneOptions & { readonly dryRun: boolean } {
  const percent = context.number('max-unused');
  return {
    dryRun: context.flag('dry-run'),
    soleMaintainer: context.flag('sole-maintainer'),
    signal: context.signal,
    onProgress: context.onProgress,
    maxUnused: percent === undefined ? undefined : percent / 100,
  };
}

/** What was removed, for people. */
export function text(result: PruneResult, dryRun: boolean): string {
  const { removedSnapshots, removedPacks, rewrittenPacks, freedBytes, keptSnapshots } = result;
  const kept = `${counted(keptSnapshots.length, 'snapshot')} ${keptSnapshots.length === 1 ? 'stays' : 'stay'}`;
  if (removedSnapshots === 0 && removedPacks === 0) return `There is nothing to remove: ${kept}.`;
  const rewritten = rewrittenPacks > 0 ? `, ${rewrittenPacks} of them rewritten` : '';
  return `${dryRun ? 'Would remove' : 'Removed'} ${counted(removedSnapshots, 'snapshot')} and ${counted(removedPacks, 'pack')}${rewritten}; ${bytes(freedBytes)} of packs ${dryRun ? 'would become' : 'are'} free. ${kept}.`;
}
