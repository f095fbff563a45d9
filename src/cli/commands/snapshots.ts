import { type Snapshot } from '../../index.ts';
import { EXIT } from '../exit-codes.ts';
import type { Command } from '../options.ts';
import { bytes, columns, minute, printable, table } from '../render.ts';

export const command: Command = {
  synopsis: ['snapshots [OPTIONS]'],
  about: 'Lists snapshots, oldest first. Stored is what the backup added. Commands take an id, or the start of one.',
  options: {
    tag: { type: 'string', multiple: true, value: 'NAME=VALUE', about: 'only with this tag; may be repeated' },
    after: { type: 'string', value: 'DATE', about: 'not older: 2026-11-25, or 2026-11-25T08:00:00Z' },
    before: { type: 'string', value: 'DATE', about: 'not younger' },
  },
  async run(context) {
    const filter = {
      tags: context.tags(),
      after: context.text('after'),
      before: context.text('before'),
      signal: context.signal,
    };
    const all = await context.withRepository((repository) => repository.listSnapshots(filter));
    for (const snapshot of all) context.output.record('snapshot', snapshot);
    context.output.result('summary', { snapshots: all.length }, () => {
      if (all.length === 0) return 'No snapshots.';
      return table(['ID', 'Time (UTC)', '    Size', '  Stored', 'Items [tags]'], all.map(row), columns());
    });
    return EXIT.ok;
  },
};

function row({ id, createdAt, originalSize, storedSize, items, tags }: Snapshot): string[] {
  const names = items.map(({ name }) => name).join(', ');
  const pairs = Object.entries(tags).map(([name, value]) => `${name}=${value}`);
  const text = pairs.length === 0 ? names : `${names} [${pairs.join(' ')}]`;
  return [id.slice(0, 8), minute(createdAt), bytes(originalSize), bytes(storedSize), printable(text)];
}
