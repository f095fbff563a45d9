import { mkdir, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { PackvaultError, type Repository, type Snapshot, type SnapshotItem } from '../../index.ts';
import type { Context } from '../context.ts';
import { EXIT, UsageError } from '../exit-codes.ts';
import type { Command } from '../options.ts';
import { bytes, counted, printable } from '../render.ts';

export const command: Command = {
  synopsis: ['restore [OPTIONS] SNAPSHOT'],
  about: `Gives a snapshot back. SNAPSHOT is an id, the start of one, or latest. Only verified bytes come out.
Without --output and --to they go to standard output, several items one after the other; --json then writes to standard error.`,
  options: {
    item: { type: 'string', value: 'NAME', about: 'only this item' },
    output: { type: 'string', short: 'o', value: 'FILE', about: 'into a file, several items one after the other' },
    to: { type: 'string', value: 'FOLDER', about: 'every item into a file of its name in FOLDER' },
    force: { type: 'boolean', about: 'replace files that are there' },
  },
  most: 1,
  async run(context) {
    const [id] = context.positionals;
    if (id === undefined)
      throw new UsageError('Which snapshot? Give an id, or latest; packvault snapshots lists them.');
    const [output, folder] = [context.text('output'), context.text('to')];
    if (output !== undefined && folder !== undefined) throw new UsageError('Give --output or --to, not both.');
    if (output === undefined && folder === undefined && process.stdout.isTTY) {
      throw new UsageError('The bytes would go to this terminal: give --output FILE, --to FOLDER, or a pipe.');
    }
    if (output !== undefined) await refuseTaken(context, [output]);
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

/** Before any work: the engine looks again when it gives a file its name. */
async function refuseTaken(context: Context, paths: readonly string[]): Promise<void> {
  if (context.flag('force')) return;
  const taken: string[] = [];
  for (const path of paths) {
    const there = await stat(path).then(
      () => true,
      () => false,
    );
    if (there) taken.push(path);
  }
  const [first] = taken;
  if (first === undefined) return;
  const [more, be] = taken.length === 1 ? ['', 'is'] : [` and ${taken.length - 1} more`, 'are'];
  throw new PackvaultError({
    code: 'ALREADY_EXISTS',
    message: `${first}${more} ${be} there already. Nothing was written. Give another place, or --force to replace.`,
  });
}

async function toStandardOutput(context: Context, repository: Repository, id: string): Promise<number> {
  const { output, signal } = context;
  output.giveAwayStandardOutput();
  let healed = 0;
  repository.on('restore:healed', (event) => {
    healed += event.bytes;
  });
  const stream = await repository.restore(id, choice(context));
  let count = 0;
  stream.on('data', (part: Uint8Array) => {
    count += part.byteLength;
  });
  await pipeline(stream, process.stdout, { end: false, signal });
  output.record('summary', { bytes: count, healed });
  if (healed > 0) output.warn({ healed }, healing(healed));
  return EXIT.ok;
}

async function intoFile(context: Context, repository: Repository, id: string, path: string): Promise<number> {
  const done = await repository.restoreTo(path, id, { ...choice(context), overwrite: context.flag('force') });
  context.output.result('summary', { path, ...done }, () => `Restored ${bytes(done.bytes)} to ${path}.`);
  if (done.healed > 0) context.output.warn({ healed: done.healed }, healing(done.healed));
  return EXIT.ok;
}

function healing(count: number): string {
  return `${bytes(count)} were damaged in the repository and were rebuilt from parity on the way. Run packvault repair now.`;
}

async function intoFolder(context: Context, repository: Repository, id: string, folder: string): Promise<number> {
  const { output } = context;
  const snapshot = await repository.getSnapshot(id, { signal: context.signal });
  const targets = chosen(snapshot, context.text('item')).map((item) => ({ item, path: confined(folder, item) }));
  refuseSame(targets);
  await refuseTaken(
    context,
    targets.map(({ path }) => path),
  );
  let failed = 0;
  let healed = 0;
  let first: unknown;
  for (const { item, path } of targets) {
    try {
      const done = await intoPlace(context, repository, snapshot.id, item, path);
      healed += done.healed;
      const status = done.healed > 0 ? 'repaired' : 'verified';
      output.result(
        'item',
        { name: item.name, status, path, ...done },
        () => `${printable(path)}  ${bytes(done.bytes)}`,
      );
    } catch (error) {
      if (context.signal.aborted) throw error;
      failed += 1;
      first ??= error;
      const message = error instanceof Error ? error.message : String(error);
      const code = PackvaultError.is(error) ? error.code : 'FAILED';
      const status = code === 'CORRUPT' || code === 'UNRECOVERABLE' ? 'lost' : 'failed';
      output.result(
        'item',
        { name: item.name, status, path, code, error: message },
        () => `${printable(path)}  NOT RESTORED: ${printable(message)}`,
      );
    }
  }
  const record = { snapshot: snapshot.id, items: targets.length, failed, healed };
  output.result('summary', record, () =>
    failed === 0
      ? `Restored ${counted(targets.length, 'item')} to ${folder}.`
      : `${failed} of ${counted(targets.length, 'item')} NOT restored; what is in ${folder} is whole and right.`,
  );
  if (healed > 0) output.warn({ healed }, healing(healed));
  if (failed === targets.length && first !== undefined) throw first;
  return failed > 0 ? EXIT.partial : EXIT.ok;
}

async function intoPlace(
  context: Context,
  repository: Repository,
  id: string,
  item: SnapshotItem,
  path: string,
): Promise<{ bytes: number; healed: number }> {
  await mkdir(dirname(path), { recursive: true });
  const options = { ...choice(context), item: item.name, overwrite: context.flag('force') };
  return repository.restoreTo(path, id, options);
}

function chosen(snapshot: Snapshot, wanted: string | undefined): readonly SnapshotItem[] {
  if (wanted === undefined) return snapshot.items;
  const items = snapshot.items.filter((item) => item.name === wanted);
  if (items.length > 0) return items;
  throw new PackvaultError({
    code: 'NOT_FOUND',
    message: `Snapshot ${snapshot.id} has no item ${JSON.stringify(wanted)}. Nothing was written.`,
  });
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

/** With --force, one item would replace another. */
function refuseSame(targets: readonly { readonly item: SnapshotItem; readonly path: string }[]): void {
  const seen = new Set<string>();
  for (const { item, path } of targets) {
    // Most disks of these systems take a and A for one name.
    const place = ['darwin', 'win32'].includes(process.platform) ? path.toLowerCase() : path;
    if (seen.has(place)) {
      throw new PackvaultError({
        code: 'INVALID_ARGUMENT',
        message: `The item ${JSON.stringify(item.name)} would be written over another one, to ${path}. Nothing was written. Restore it with --item and --output.`,
      });
    }
    seen.add(place);
  }
}
