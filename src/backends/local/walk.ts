/** The objects of a folder tree in ascending byte order of key, one folder in memory at a time. */
import type { Dirent } from 'node:fs';
import { join } from 'node:path';
import type { ObjectInfo } from '../../core/backend.ts';
import { objectsOf as objectsOfTree, type Selection } from '../ordered-walk.ts';
import { errnoOf } from './errors.ts';
import type { FileSystem } from './options.ts';

/** What to walk. */
export interface Walk extends Selection {
  readonly fileSystem: FileSystem;
  readonly root: string;
}

/** Lists what `walk` describes. A missing folder has no objects. Throws the system's errors. */
export function objectsOf(walk: Walk): AsyncGenerator<ObjectInfo, void, undefined> {
  const tree = {
    foldersAhead: 0,
    read: async (folder: string): Promise<Dirent[]> => entriesOf(folder, walk),
    isFolder: (found: Dirent, folder: string) => leadsToFolder(found, folder, walk),
    infoOf: async (key: string): Promise<ObjectInfo | undefined> => infoOf(key, walk),
  };
  return objectsOfTree(tree, walk);
}

async function entriesOf(folder: string, { fileSystem, root }: Walk): Promise<Dirent[]> {
  try {
    return await fileSystem.readdir(join(root, folder), { withFileTypes: true });
  } catch (error) {
    if (isAbsence(error)) return [];
    throw error;
  }
}

async function leadsToFolder(dirent: Dirent, folder: string, { fileSystem, root }: Walk): Promise<boolean> {
  if (!dirent.isSymbolicLink()) return dirent.isDirectory();
  try {
    return (await fileSystem.stat(join(root, folder, dirent.name))).isDirectory();
  } catch {
    return false;
  }
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
