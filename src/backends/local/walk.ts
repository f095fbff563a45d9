/** The objects of a folder tree in ascending byte order of key, one folder in memory at a time. */
import type { Dirent } from 'node:fs';
import { join } from 'node:path';
import { MAX_KEY_BYTES, type ObjectInfo } from '../../core/backend.ts';
import { errnoOf } from './errors.ts';
import type { FileSystem } from './options.ts';

/** What to walk. */
export interface Walk {
  readonly fileSystem: FileSystem;
  readonly root: string;
  readonly prefix: string;
  /** Exclusive; '' for all. */
  readonly startAfter: string;
  readonly signal: AbortSignal | undefined;
}

// Files that nobody put there (lost+found, .DS_Store, our own temporaries) have other names, or are skipped as too long.
const SEGMENT = /^(?!\.{1,2}$)[a-z0-9._-]+$/;
// Enough to keep the threads of the file system busy.
const STATS_AT_ONCE = 64;

interface Entry {
  /** A folder's ends in "/", as in the keys of what is in it: so sorted, its objects come where their keys belong. */
  readonly key: string;
  readonly isFolder: boolean;
}

/** Lists what `walk` describes. A missing folder has no objects. Throws the system's errors. */
export async function* objectsOf(walk: Walk): AsyncGenerator<ObjectInfo, void, undefined> {
  yield* objectsIn(walk.prefix.slice(0, walk.prefix.lastIndexOf('/') + 1), walk);
}

async function* objectsIn(folder: string, walk: Walk): AsyncGenerator<ObjectInfo, void, undefined> {
  walk.signal?.throwIfAborted();
  const entries = await entriesOf(folder, walk);
  for (let at = 0; at < entries.length; ) {
    const run = runFrom(entries, at);
    at += run.length;
    if (run[0]?.isFolder === true) {
      yield* objectsIn(run[0].key, walk);
      continue;
    }
    for (const info of await Promise.all(run.map((entry) => infoOf(entry.key, walk)))) {
      walk.signal?.throwIfAborted();
      if (info !== undefined) yield info;
    }
  }
}

/** One folder, or a few files that follow one another. */
function runFrom(entries: readonly Entry[], at: number): readonly Entry[] {
  const near = entries.slice(at, at + STATS_AT_ONCE);
  const folder = near.findIndex((entry) => entry.isFolder);
  if (folder === -1) return near;
  return near.slice(0, Math.max(folder, 1));
}

async function entriesOf(folder: string, walk: Walk): Promise<Entry[]> {
  let found: Dirent[];
  try {
    found = await walk.fileSystem.readdir(join(walk.root, folder), { withFileTypes: true });
  } catch (error) {
    if (isAbsence(error)) return [];
    throw error;
  }
  const entries: Entry[] = [];
  for (const dirent of found) {
    if (!SEGMENT.test(dirent.name)) continue;
    const isFolder = await leadsToFolder(dirent, folder, walk);
    const key = folder + dirent.name + (isFolder ? '/' : '');
    if (isWanted(key, isFolder, walk)) entries.push({ key, isFolder });
  }
  return entries.toSorted((left, right) => (left.key < right.key ? -1 : 1));
}

async function leadsToFolder(dirent: Dirent, folder: string, { fileSystem, root }: Walk): Promise<boolean> {
  if (!dirent.isSymbolicLink()) return dirent.isDirectory();
  try {
    return (await fileSystem.stat(join(root, folder, dirent.name))).isDirectory();
  } catch {
    return false;
  }
}

function isWanted(key: string, isFolder: boolean, { prefix, startAfter }: Walk): boolean {
  if (key.length > MAX_KEY_BYTES) return false;
  if (!isFolder) return key.startsWith(prefix) && key > startAfter;
  const mayMatch = key.startsWith(prefix) || prefix.startsWith(key);
  return mayMatch && (key > startAfter || startAfter.startsWith(key));
}

async function infoOf(key: string, { fileSystem, root }: Walk): Promise<ObjectInfo | undefined> {
  try {
    const found = await fileSystem.stat(join(root, key));
    return found.isFile() ? { key, size: found.size, modifiedAt: found.mtime } : undefined;
  } catch (error) {
    // Deleted since the folder was read.
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

function isAbsence(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'ENOENT' || errno === 'ENOTDIR';
}
