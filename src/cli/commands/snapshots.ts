import { EXIT } from '../exit-codes.ts';
import type { Command } from '../main.ts';
import { bytes, printable, table } from '../render.ts';

export const command: Command = {
  usage: `Usage: packvault snapshots [OPTIONS]
  --tag NAME=VALUE  only with this tag; may be repeated
  --after DATE      not older (RFC 3339 or a date)
  --before DATE     not younger`,
  options: { tag: { type: 'string', multiple: true }, after: { type: 'string' }, before: { type: 'string' } },
  async run(context) {
    const filter = {
      tags: context.tags(),
      after: context.text('after'),
      before: context.text('before'),
      signal: context.signal,
    };
    const all = await context.withRepository((repository) => repository.listSnapshots(filter));
    if (context.json) {
      for (const snapshot of all) context.result('snapshot', snapshot, () => '');
    }
    const rows = all.map((snapshot) => [
      snapshot.id.slice(0, 12),
      snapshot.createdAt.slice(0, 19).replace('T', ' '),
      bytes(snapshot.originalSize),
      bytes(snapshot.storedSize),
      printable(
        Object.entries(snapshot.tags)
          .map(([name, value]) => `${name}=${value}`)
          .join(' '),
      ),
      printable(snapshot.items.map(({ name }) => name).join(', ')).slice(0, 60),
    ]);
    context.result('summary', { snapshots: all.length }, () =>
      all.length === 0 ? 'No snapshots.' : table(['ID', 'Time (UTC)', 'Size', 'Stored', 'Tags', 'Items'], rows),
    );
    return EXIT.ok;
  },
};
