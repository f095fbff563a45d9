import { EXIT } from '../exit-codes.ts';
import type { Command } from '../options.ts';
import { minute, printable, table } from '../render.ts';

export const command: Command = {
  synopsis: ['status'],
  about: `Shows operations that run longer than a minute. The entries inform people; no rule rests on them. A stale one was left by
a process that ended without a word; packvault unlock removes it.`,
  async run(context) {
    const all = await context.withRepository((repository) => repository.status({ signal: context.signal }));
    for (const entry of all) context.output.record('entry', entry);
    const rows = all.map(({ verb, host, pid, since, stale }) => [
      verb,
      printable(`${host}:${pid}`),
      minute(since),
      stale ? 'stale' : 'at work',
    ]);
    context.output.result('summary', { entries: all.length }, () =>
      all.length === 0 ? 'Nobody is at work.' : table(['Verb', 'Where', 'Since (UTC)', 'State'], rows),
    );
    return EXIT.ok;
  },
};
