import { EXIT } from '../exit-codes.ts';
import type { Command } from '../main.ts';
import { printable, table } from '../render.ts';

export const command: Command = {
  usage: `Usage: packvault status
Shows operations that run longer than a minute. The entries inform people; no rule rests on them.`,
  async run(context) {
    const all = await context.withRepository((repository) => repository.status({ signal: context.signal }));
    for (const entry of context.json ? all : []) context.result('entry', entry, () => '');
    const rows = all.map((entry) => [
      entry.verb,
      `${printable(entry.host)}:${entry.pid}`,
      entry.since.slice(0, 19).replace('T', ' '),
      entry.stale ? 'stale' : 'at work',
    ]);
    context.result('summary', { entries: all.length }, () =>
      all.length === 0 ? 'Nobody is at work.' : table(['Verb', 'Where', 'Since (UTC)', 'State'], rows),
    );
    return EXIT.ok;
  },
};
