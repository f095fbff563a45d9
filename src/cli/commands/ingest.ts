import type { BigIntStats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { type IngestItem, PackvaultError, type Repository, type Snapshot } from '../../index.ts';
import type { Context } from '../context.ts';
import { EXIT, UsageError } from '../exit-codes.ts';
import type { Command } from '../options.ts';
import { bytes, counted, elapsed } from '../render.ts';

export const command: Command = {
  synopsis: ['ingest [OPTIONS] [FILE...]'],
  about: `Stores files as items of one snapshot; without FILE, or for -, standard input.
The snapshot is there when the command ends with 0 or 3, and not before. 3: a file changed while it was stored.`,
  options: {
    name: { type: 'string', value: 'NAME', about: 'name of the one item; default: the path, or stdin' },
    type: { type: 'string', value: 'TEXT', about: 'type of the items, free text; default file, or stream' },
    tag: { type: 'string', multiple: true, value: 'NAME=VALUE', about: 'tag of the snapshot; may be repeated' },
    sha256: { type: 'boolean', about: 'record SHA-256 of each item; costs speed' },
    'allow-empty': { type: 'boolean', about: 'store standard input also when it is empty' },
  },
  most: Number.POSITIVE_INFINITY,
  async run(context) {
    const paths = context.positionals.length === 0 ? ['-'] : context.positionals;
    if (context.text('name') !== undefined && paths.length > 1)
      throw new UsageError('--name names one item; there are several files.');
    if (paths.includes('-') && process.stdin.isTTY)
      throw new UsageError('Standard input is this terminal: give FILE, or a pipe.');
    const files = await openAll(context, paths);
    try {
      const { snapshot, seconds } = await context.withRepository((repository) => ingest(context, repository, files));
      const changed = await changedFiles(files);
      for (const path of changed) {
        context.output.warn(
          { path, snapshot: snapshot.id },
          `${path} changed while it was stored: the snapshot holds what was read. Store it again when it is quiet.`,
        );
      }
      context.output.result('summary', { snapshot, changed, seconds }, () => summary(snapshot, seconds));
      return changed.length > 0 ? EXIT.partial : EXIT.ok;
    } finally {
      process.stdin.destroy();
      await closeAll(files);
    }
  },
};

interface Source {
  readonly path: string;
  /** None for standard input. */
  readonly file?: FileHandle;
  /** When it was opened. */
  readonly found?: BigIntStats;
}

/** Opens every file before anything is stored, so that a wrong name costs no time. */
async function openAll(context: Context, paths: readonly string[]): Promise<Source[]> {
  const sources: Source[] = [];
  try {
    for (const path of paths) sources.push(path === '-' ? { path } : await openOne(context, path));
    return sources;
  } catch (error) {
    await closeAll(sources);
    throw error;
  }
}

async function closeAll(sources: readonly Source[]): Promise<void> {
  for (const { file } of sources) await file?.close();
}

async function openOne(context: Context, path: string): Promise<Source> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    const { code = '' } = cause as NodeJS.ErrnoException;
    throw new PackvaultError({
      code: code === 'ENOENT' ? 'NOT_FOUND' : 'PERMISSION_DENIED',
      message: `${path} ${code === 'ENOENT' ? 'is not there' : `can't be read (${code})`}. No snapshot was made.`,
      cause,
    });
  });
  const found = await file.stat({ bigint: true });
  if (!found.isDirectory()) return { path, file, found };
  await file.close();
  const given = context.text('repo');
  const repo = given === undefined ? '' : ` --repo ${quoted(given)}`;
  const name = quoted(`${basename(resolve(path)) || 'root'}.tar`);
  throw new UsageError(
    `${path} is a folder. File trees come in a later version; until then:\n  tar -C ${quoted(path)} -cf - . | packvault ingest${repo} --name ${name}`,
  );
}

/** As an argument in a shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Restoring into a folder makes the same tree again. */
function itemName(path: string): string {
  const windows = process.platform === 'win32';
  const parts = (windows ? path.replace(/^[a-z]:/i, '').replaceAll('\\', '/') : path).split('/');
  return parts.filter((part) => part !== '' && part !== '.' && part !== '..').join('/');
}

interface Stored {
  readonly snapshot: Snapshot;
  readonly seconds: number;
}

async function ingest(context: Context, repository: Repository, files: readonly Source[]): Promise<Stored> {
  const items = files.map(({ path, file }): IngestItem => {
    const name = context.text('name') ?? (file === undefined ? 'stdin' : itemName(path));
    const type = context.text('type') ?? (file === undefined ? 'stream' : 'file');
    return { name, type, stream: file ?? refuseEmpty(context, process.stdin) };
  });
  // Pipes and devices tell no size.
  const sized = files.every(({ found }) => found?.isFile() === true);
  const total = sized ? files.reduce((sum, { found }) => sum + Number(found?.size), 0) : undefined;
  const started = Date.now();
  const snapshot = await repository.ingestMulti(items, {
    tags: context.tags(),
    sha256: context.flag('sha256'),
    signal: context.signal,
    onProgress: (progress) => context.output.progress(progress, total),
  });
  return { snapshot, seconds: (Date.now() - started) / 1000 };
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

/** Files whose bytes may be of two moments. */
async function changedFiles(files: readonly Source[]): Promise<string[]> {
  const changed: string[] = [];
  for (const { path, file, found } of files) {
    if (file === undefined || found === undefined || !found.isFile()) continue;
    const { size, mtimeNs } = await file.stat({ bigint: true });
    if (size !== found.size || mtimeNs !== found.mtimeNs) changed.push(path);
  }
  return changed;
}

function summary(snapshot: Snapshot, seconds: number): string {
  const { id, originalSize, storedSize, newChunks, reusedChunks, items } = snapshot;
  return `Snapshot ${id}
  ${counted(items.length, 'item')}, ${bytes(originalSize)} read in ${elapsed(seconds)} (${bytes(originalSize / seconds)}/s)
  ${bytes(storedSize)} stored: ${counted(newChunks, 'new chunk')}, ${reusedChunks} known before`;
}
