/** What `try` does to a repository on disk, and whether verify tells all of it. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Snapshot, VerifyResult } from '../../index.ts';
import { UsageError } from '../exit-codes.ts';

/** The objects of a repository that `try` damages. */
export interface Objects {
  readonly packs: readonly string[];
  readonly indexes: readonly string[];
}

export interface Damage {
  readonly deletedPacks: readonly [string, string];
  readonly deletedIndex: string;
  readonly flippedPack: string;
  readonly flippedBytes: number;
}

/** Paths of packs and indexes of the repository in a folder. */
export async function objectsIn(location: string): Promise<Objects> {
  const below = async (folder: string): Promise<string[]> => {
    const entries = await readdir(join(location, folder), { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  };
  return { packs: (await below('packs/data')).toSorted(), indexes: await below('index') };
}

/** Deletes two packs of the first backup and the index of the second, and flips bytes in a third pack. */
export async function destroy(first: Objects, second: Objects): Promise<Damage> {
  const [one, two, three] = first.packs;
  const index = second.indexes.find((path) => !first.indexes.includes(path));
  if (one === undefined || two === undefined || three === undefined || index === undefined) {
    throw new UsageError(
      'This is too little data: the first backup must fill three packs. Give more, or larger, files.',
    );
  }
  await Promise.all([one, two, index].map((path) => rm(path)));
  const bytes = await readFile(three);
  const step = Math.ceil(bytes.length / 8);
  let flippedBytes = 0;
  for (let at = step; at < bytes.length; at += step) {
    bytes[at] = (bytes[at] ?? 0) ^ 0xff;
    flippedBytes += 1;
  }
  await writeFile(three, bytes);
  return { deletedPacks: [one, two], deletedIndex: index, flippedPack: three, flippedBytes };
}

/** What verify did not tell. A lost index shows in the snapshot whose chunks only it could place. */
export function untold(damage: Damage, second: Snapshot, { errors }: VerifyResult): string[] {
  const packs = new Set(errors.map(({ pack }) => pack));
  const missed = [...damage.deletedPacks, damage.flippedPack].filter((path) => !packs.has(basename(path, '.pack')));
  const index = errors.some(({ snapshot }) => snapshot === second.id) ? [] : [damage.deletedIndex];
  return [...missed, ...index];
}
