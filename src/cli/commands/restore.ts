import { mkdir } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { PackvaultError, type Repository, type SnapshotItem } from '../../index.ts';
import type { Context } from '../context.ts';
import { EXIT, UsageError } from '../exit-codes.ts';
import type { Command } from '../main.ts';
import { bytes, printable } from '../render.ts';

export const command: Command = {
  usage: `Usage: packvault restore SNAPSHOT [OPTIONS]
SNAPSHOT is an id, the start of one, or latest. Only verified bytes come out.
  --item NAME        one item
  -o, --output FILE  into a file (with several items: one after the other)
  --to FOLDER        every item into a file of its name in FOLDER
  --force            replace files that are there
Without --output and --to, the bytes go to standard output.`,
  options: {
    item: { type: 'string' },
    output: { type: 'string', short: 'o' },
    to: { type: 'string' },
    force: { type: 'boolean' },
  },
  async run(context) {
    const [id, ...more] = context.positionals;
    if (id === undefined || more.length > 0) throw new UsageError('Give one snapshot: an id, or latest.');
    const [output, folder] = [context.text('output'), context.text('to')];
    if (output !== undefined && folder !== undefined) throw new UsageError('Give --output or --to, not both.');
    if (output === undefined && folder === undefined && process.stdout.isTTY) {
      throw new UsageError('Bytes would go to this terminal: give --output FILE, --to FOLDER, or a pipe.');
    }
    return context.withRepository((repository) => {
      if (folder !== undefined) return intoFolder(context, repository, id, folder);
      return output === undefined
        ? toStandardOutput(context, repository, id)
        : intoFile(context, repository, id, output);
    });
  },
};

function choice(context: Context): { item?: string; signal: AbortSignal; onProgress: Context['onProgress'] } {
  const item = context.text('item');
  return { ...(item !== undefined && { item }), signal: context.signal, onProgress: context.onProgress };
}

async function toStandardOutput(context: Context, repository: Repository, id: string): Promise<number> {
  await pipeline(await repository.restore(id, choice(context)), process.stdout, { end: false });
  return EXIT.ok;
}

async function intoFile(context: Context, repository: Repository, id: string, path: string): Promise<number> {
  const done = await repository.restoreTo(path, id, { ...choice(context), overwrite: context.flag('force') });
  context.result('summary', { path, ...done }, () => `Restored ${bytes(done.bytes)} to ${path}.${healed(done.healed)}`);
  return EXIT.ok;
}

function healed(count: number): string {
  return count > 0 ? ` ${bytes(count)} were damaged in the repository and made good; run packvault repair.` : '';
}

async function intoFolder(context: Context, repository: Repository, id: string, folder: string): Promise<number> {
  const snapshot = await repository.getSnapshot(id, { signal: context.signal });
  const wanted = context.text('item');
  const items = snapshot.items.filter((item) => wanted === undefined || item.name === wanted);
  if (items.length === 0)
    throw new PackvaultError({
      code: 'NOT_FOUND',
      message: `Snapshot ${snapshot.id} has no item ${JSON.stringify(wanted)}.`,
    });
  const targets = items.map((item) => ({ item, path: confined(folder, item) }));
  let failed = 0;
  let first: unknown;
  for (const { item, path } of targets) {
    try {
      await mkdir(dirname(path), { recursive: true });
      const options = { ...choice(context), item: item.name, overwrite: context.flag('force') };
      const done = await repository.restoreTo(path, snapshot.id, options);
      context.result(
        'item',
        { name: item.name, status: done.healed > 0 ? 'repaired' : 'verified', path, ...done },
        () => `${printable(item.name)}: ${bytes(done.bytes)}.${healed(done.healed)}`,
      );
    } catch (error) {
      if (context.signal.aborted) throw error;
      failed += 1;
      first ??= error;
      const message = error instanceof Error ? error.message : String(error);
      context.result(
        'item',
        { name: item.name, status: 'lost', path, error: message },
        () => `${printable(item.name)}: NOT restored: ${message}`,
      );
    }
  }
  context.result('summary', { snapshot: snapshot.id, items: items.length, failed }, () =>
    failed === 0
      ? `Restored ${items.length} items to ${folder}.`
      : `${failed} of ${items.length} items could not be restored.`,
  );
  if (failed === items.length && first !== undefined) throw first;
  return failed > 0 ? EXIT.partial : EXIT.ok;
}

/** An item's name is a label that somebody chose: it must not lead out of the folder. */
function confined(folder: string, item: SnapshotItem): string {
  const name = normalize(item.name);
  const path = resolve(folder, name);
  if (isAbsolute(item.name) || name.split(/[/\\]/).includes('..') || !path.startsWith(resolve(folder) + sep)) {
    throw new PackvaultError({
      code: 'INVALID_ARGUMENT',
      message: `The item ${JSON.stringify(item.name)} would be written outside of ${folder}. Nothing was written. Restore it with --item and --output.`,
    });
  }
  return join(folder, name);
}
