import type { Context } from '../context.ts';
import { EXIT, UsageError } from '../exit-codes.ts';
import type { Command } from '../options.ts';
import { newPassphrase } from '../passphrase.ts';
import { minute, printable, table } from '../render.ts';

export const command: Command = {
  synopsis: ['key list', 'key add [--label TEXT]', 'key remove ID'],
  about: `Passphrases of a repository. Each opens all of it; adding and removing touches no data. The last one can't be removed.
A copy of the repository that was made before a removal still opens with the removed passphrase.`,
  options: { label: { type: 'string', value: 'TEXT', about: 'of the new key: whose it is, for what' } },
  most: 2,
  environment: [
    ['PACKVAULT_NEW_PASSWORD', 'the passphrase that add adds'],
    ['PACKVAULT_NEW_PASSWORD_FILE', 'a file that holds it'],
    ['PACKVAULT_NEW_PASSWORD_COMMAND', 'a command that prints it'],
  ],
  async run(context) {
    const [action, id, ...more] = context.positionals;
    if (action === 'list' && id === undefined) await list(context);
    else if (action === 'add' && id === undefined) await add(context);
    else if (action === 'remove' && id !== undefined && more.length === 0) await remove(context, id);
    else throw new UsageError('Give key list, key add, or key remove ID. packvault key --help says more.');
    return EXIT.ok;
  },
};

async function list(context: Context): Promise<void> {
  const { output, signal } = context;
  const keys = await context.withRepository((repository) => repository.keys.list({ signal }));
  for (const key of keys) output.record('key', key);
  output.result('summary', { keys: keys.length }, () =>
    table(
      ['ID', 'Made (UTC)', 'Label'],
      keys.map(({ id, createdAt, label }) => [id, minute(createdAt), printable(label)]),
    ),
  );
}

async function add(context: Context): Promise<void> {
  const { signal } = context;
  const label = context.text('label') ?? '';
  const id = await context.withRepository(async (repository) =>
    repository.keys.add(await newPassphrase('PACKVAULT_NEW_PASSWORD', signal), { label, signal }),
  );
  context.output.result('summary', { id }, () => `Added key ${id}.`);
}

async function remove(context: Context, id: string): Promise<void> {
  await context.withRepository((repository) => repository.keys.remove(id, { signal: context.signal }));
  context.output.result(
    'summary',
    { id },
    () => `Removed key ${id}. Copies of the repository made before still open with its passphrase.`,
  );
}
