import { EXIT, UsageError } from '../exit-codes.ts';
import type { Command } from '../main.ts';
import { newPassphrase } from '../passphrase.ts';
import { printable, table } from '../render.ts';

export const command: Command = {
  usage: `Usage: packvault key list
       packvault key add [--label TEXT]     the new passphrase: PACKVAULT_NEW_PASSWORD[_FILE|_COMMAND], or asked for
       packvault key remove ID              older copies of the repository still open with that passphrase`,
  options: { label: { type: 'string' } },
  async run(context) {
    const [action, id] = context.positionals;
    const { signal } = context;
    if (action === 'list' || action === undefined) {
      const keys = await context.withRepository((repository) => repository.keys.list({ signal }));
      for (const key of context.json ? keys : []) context.result('key', key, () => '');
      const rows = keys.map((key) => [key.id, key.createdAt.slice(0, 19).replace('T', ' '), printable(key.label)]);
      context.result('summary', { keys: keys.length }, () => table(['ID', 'Made (UTC)', 'Label'], rows));
    } else if (action === 'add') {
      await context.withRepository(async (repository) => {
        const passphrase = await newPassphrase('PACKVAULT_NEW_PASSWORD');
        const added = await repository.keys.add(passphrase, { label: context.text('label') ?? '', signal });
        context.result('summary', { id: added }, () => `Added key ${added}.`);
      });
    } else if (action === 'remove' && id !== undefined) {
      await context.withRepository((repository) => repository.keys.remove(id, { signal }));
      context.result(
        'summary',
        { id },
        () => `Removed key ${id}. Older copies of the repository still open with its passphrase.`,
      );
    } else {
      throw new UsageError(command.usage);
    }
    return EXIT.ok;
  },
};
