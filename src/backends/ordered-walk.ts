/** The objects of a tree of folders in ascending byte order of key: for stores that are file systems. */
import { MAX_KEY_BYTES, type ObjectInfo } from '../core/backend.ts';

/** A tree whose folders can be read one at a time, in whatever order the store gives. */
export interface Tree<Found extends { readonly name: string }> {
  /** What is in a folder: '' is the root, others end in "/". A missing folder is empty. */
  read(folder: string): Promise<readonly Found[]>;
  /** Whether this name in `folder` is a folder, or a link to one. */
  isFolder(found: Found, folder: string): boolean | Promise<boolean>;
  /** The object that this name is, or `undefined` if it is none (any more). */
  infoOf(key: string, found: Found): Promise<ObjectInfo | undefined>;
  /** How many folders are read before their turn: they are in memory at the same time. */
  readonly foldersAhead: number;
}

/** What to list. */
export interface Selection {
  readonly prefix: string;
  /** Exclusive; '' for all. */
  readonly startAfter: string;
  readonly signal: AbortSignal | undefined;
}

// Files that nobody put there (lost+found, .DS_Store, our own temporaries) have other names, or are skipped as too long.
const SEGMENT = /^(?!\.{1,2}$)[a-z0-9._-]+$/;
// Enough to keep the threads of a file system busy.
const INFOS_AT_ONCE = 64;

interface Entry<Found> {
  /** A folder's ends in "/", as in the keys of what is in it: so sorted, its objects come where their keys belong. */
  readonly key: string;
  readonly isFolder: boolean;
  readonly found: Found;
}

/** Lists the objects of `tree` that are selected. Throws what the tree throws. */
export async function* objectsOf<Found extends { readonly name: string }>(
  tree: Tree<Found>,
  selection: Selection,
): AsyncGenerator<ObjectInfo, void, undefined> {
  const top = selection.prefix.slice(0, selection.prefix.lastIndexOf('/') + 1);
  selection.signal?.throwIfAborted();
  yield* objectsAmong(await entriesOf(tree, selection, top), tree, selection);
}

async function* objectsAmong<Found extends { readonly name: string }>(
  entries: readonly Entry<Found>[],
  tree: Tree<Found>,
  selection: Selection,
): AsyncGenerator<ObjectInfo, void, undefined> {
  const nextFolder = readAhead(entries, tree, selection);
  for (let at = 0; at < entries.length; ) {
    selection.signal?.throwIfAborted();
    const run = runFrom(entries, at);
    at += run.length;
    if (run[0]?.isFolder === true) {
      yield* objectsAmong(await nextFolder(), tree, selection);
      continue;
    }
    for (const info of await Promise.all(run.map(async ({ key, found }) => tree.infoOf(key, found)))) {
      selection.signal?.throwIfAborted();
      if (info !== undefined) yield info;
    }
  }
}

/** One folder, or a few files that follow one another. */
function runFrom<Found>(entries: readonly Entry<Found>[], at: number): readonly Entry<Found>[] {
  const near = entries.slice(at, at + INFOS_AT_ONCE);
  const folder = near.findIndex((entry) => entry.isFolder);
  if (folder === -1) return near;
  return near.slice(0, Math.max(folder, 1));
}

/** Gives the contents of one folder of `entries` after the other, and has those of the next ones read meanwhile. */
function readAhead<Found extends { readonly name: string }>(
  entries: readonly Entry<Found>[],
  tree: Tree<Found>,
  selection: Selection,
): () => Promise<readonly Entry<Found>[]> {
  const waiting = entries.filter(({ isFolder }) => isFolder);
  const reading: Promise<readonly Entry<Found>[]>[] = [];
  return async () => {
    while (reading.length <= tree.foldersAhead) {
      const folder = waiting.shift();
      if (folder === undefined) break;
      const contents = entriesOf(tree, selection, folder.key);
      // It is awaited at its turn, which a listing that ends early never reaches.
      contents.catch(() => undefined);
      reading.push(contents);
    }
    return (await reading.shift()) ?? [];
  };
}

async function entriesOf<Found extends { readonly name: string }>(
  tree: Tree<Found>,
  selection: Selection,
  folder: string,
): Promise<readonly Entry<Found>[]> {
  const entries: Entry<Found>[] = [];
  for (const found of await tree.read(folder)) {
    if (!SEGMENT.test(found.name)) continue;
    const isFolder = await tree.isFolder(found, folder);
    const key = folder + found.name + (isFolder ? '/' : '');
    if (isWanted(key, isFolder, selection)) entries.push({ key, isFolder, found });
  }
  return entries.toSorted((left, right) => (left.key < right.key ? -1 : 1));
}

function isWanted(key: string, isFolder: boolean, { prefix, startAfter }: Selection): boolean {
  if (key.length > MAX_KEY_BYTES) return false;
  if (!isFolder) return key.startsWith(prefix) && key > startAfter;
  const mayMatch = key.startsWith(prefix) || prefix.startsWith(key);
  return mayMatch && (key > startAfter || startAfter.startsWith(key));
}
