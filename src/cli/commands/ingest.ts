import { type FileHandle, open, stat } from 'node:fs/promises';
import { type IngestItem, PackvaultError, type Repository, type Snapshot } from '../../index.ts';
import type { Context } from '../context.ts';
import { EXIT, UsageError } from '../exit-codes.ts';
import type { Command } from '../main.ts';
import { bytes, duration } from '../render.ts';

export const command: Command = {
  usage: `Usage: packvault ingest [FILE...] [OPTIONS]
Stores files as items of one snapshot; without FILE, or for -, standard input.
  --name NAME       name of the item, for one file or standard input (default: the path; stdin)
  --type TYPE       type of the items, free text
  --tag NAME=VALUE  tag of the snapshot; may be repeated
  --sha256          record SHA-256 of each item (serial, costs speed)
  --allow-empty     store standard input also when it is empty`,
  options: {
    name: { type: 'string' },
    type: { type: 'string' },
    tag: { type: 'string', multiple: true },
    sha256: { type: 'boolean' },
    'allow-empty': { type: 'boolean' },
  },
  async run(context) {
    const paths = context.positionals.length === 0 ? ['-'] : context.positionals;
    if (context.text('name') !== undefined && paths.length > 1)
      throw new UsageError('--name names one item; there are several files.');
    await refuseFolders(paths);
    const started = Date.now();
    const snapshot = await context.withRepository((repository) => ingest(context, repository, paths));
    const seconds = (Date.now() - started) / 1000;
    context.result('summary', { snapshot, seconds }, () => summary(snapshot, seconds));
    return EXIT.ok;
  },
};

async function refuseFolders(paths: readonly string[]): Promise<void> {
  for (const path of paths.filter((candidate) => candidate !== '-')) {
    const found = await stat(path).catch((cause: unknown) => {
      throw new PackvaultError({ code: 'NOT_FOUND', message: `${path} can't be read. No snapshot was made.`, cause });
    });
    if (!found.isDirectory()) continue;
    throw new UsageError(
      `${path} is a folder. File trees come in a later version; until then:\n  tar -C ${quoted(path)} -cf - . | packvault ingest --name ${quoted(`${itemName(path) || 'folder'}.tar`)}`,
    );
  }
}

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Restoring into a folder makes the same tree again. */
function itemName(path: string): string {
  const parts = path.replaceAll('\\', '/').split('/');
  return parts.filter((part) => part !== '' && part !== '.' && part !== '..').join('/');
}

async function ingest(context: Context, repository: Repository, paths: readonly string[]): Promise<Snapshot> {
  const files: FileHandle[] = [];
  const type = context.text('type');
  const items: IngestItem[] = [];
  try {
    for (const path of paths) {
      const name = context.text('name') ?? (path === '-' ? 'stdin' : itemName(path));
      const kind = type ?? (path === '-' ? 'stream' : 'file');
      if (path === '-') {
        items.push({ name, type: kind, stream: refuseEmpty(context, process.stdin) });
        continue;
      }
      const file = await open(path, 'r');
      files.push(file);
      items.push({ name, type: kind, stream: file });
    }
    return await repository.ingestMulti(items, {
      tags: context.tags(),
      sha256: context.flag('sha256'),
      signal: context.signal,
      onProgress: context.onProgress,
    });
  } finally {
    process.stdin.destroy();
    await Promise.all(files.map((file) => file.close()));
  }
}

/** An empty dump is nearly always a producer that failed. */
async function* refuseEmpty(context: Context, input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let empty = true;
  for await (const part of input) {
    empty = false;
    yield part;
  }
  if (empty && !context.flag('allow-empty')) {
    throw new PackvaultError({
      code: 'INVALID_ARGUMENT',
      message:
        'Standard input was empty: the program before the pipe has probably failed. No snapshot was made. --allow-empty stores it anyway.',
    });
  }
}

function summary(snapshot: Snapshot, seconds: number): string {
  const { id, originalSize, storedSize, newChunks, reusedChunks, items } = snapshot;
  const rate = seconds > 0 ? ` (${bytes(originalSize / seconds)}/s)` : '';
  return `Snapshot ${id}
  ${items.length} item${items.length === 1 ? '' : 's'}, ${bytes(originalSize)} read in ${duration(seconds)}${rate}
  ${bytes(storedSize)} stored; ${newChunks} chunks new, ${reusedChunks} there already`;
}
