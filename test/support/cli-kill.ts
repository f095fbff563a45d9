/** Kills an ingest at moments that a seed picks, and judges what is left. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Repository } from '../../src/index.ts';
import { type Cli, feed, finished, only, records, until } from './cli.ts';
import { bytes, sha256 } from './data.ts';
import { collect, SMALL } from './repositories.ts';

const BODY_BYTES = 3 << 20;
const TEMPORARIES = '.~tmp';

/** What a repository owes: snapshots that were acknowledged, and the hash of their bytes. */
export type Owed = Map<string, string>;

/** When to kill: after so many bytes were taken, or when so many more objects or temporary files stand in the folder. */
interface Moment {
  readonly of: 'bytes' | 'objects' | 'temporaries';
  readonly count: number;
}

export interface Killed {
  readonly moment: Moment;
  /** The process was faster: its snapshot was acknowledged. */
  readonly acknowledged: boolean;
  /** Objects that it left. */
  readonly objects: number;
  /** Temporary files that it left. */
  readonly temporaries: number;
}

/** Half of it is what the body before had, so that every ingest meets known and new chunks. */
export function body(seed: number): Uint8Array {
  return Buffer.concat([bytes(seed, BODY_BYTES / 2), bytes(seed + 1, BODY_BYTES / 2)]);
}

/** Packs of 256 KiB with parity: an ingest writes about twenty objects. */
export async function make(location: string): Promise<void> {
  const parity = { data: 4, parity: 2 };
  await (await Repository.init(location, { ...SMALL, packSize: 1 << 18, parity })).close();
}

/** Files in the folder of a repository: objects, and temporary files. */
export function files(location: string): { readonly objects: string[]; readonly temporaries: string[] } {
  const all = readdirSync(location, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const [objects, temporaries]: [string[], string[]] = [[], []];
  for (const { parentPath, name } of all) {
    (parentPath.includes(TEMPORARIES) ? temporaries : objects).push(join(parentPath, name));
  }
  return { objects, temporaries };
}

/** Picks a moment; `objects` is how many a whole ingest writes. */
function pick(next: () => number, objects: number): Moment {
  const of = (['bytes', 'objects', 'temporaries'] as const)[next() % 3] ?? 'bytes';
  return { of, count: 1 + (next() % (of === 'bytes' ? BODY_BYTES : objects)) };
}

/** Starts an ingest of `input` and kills it at a moment. Acknowledged snapshots are added to `owed`. */
async function killedIngest(cli: Cli, input: Uint8Array, moment: Moment, owed: Owed): Promise<Killed> {
  const before = files(cli.repository).objects.length;
  const child = cli.start(['ingest', '--json']);
  const end = finished(child);
  if (moment.of === 'bytes') {
    await feed(child, input.subarray(0, moment.count));
  } else {
    const fed = feed(child, input).then(() => child.stdin.end());
    const seen = new Set<string>();
    await until(child, () => {
      if (moment.of === 'objects') return files(cli.repository).objects.length - before >= moment.count;
      for (const path of files(cli.repository).temporaries) seen.add(path);
      return seen.size >= moment.count;
    });
    void fed;
  }
  child.kill('SIGKILL');
  const { code, stdout } = await end;
  const left = files(cli.repository);
  if (code === 0) owed.set(snapshotOf(stdout), sha256(input));
  const objects = left.objects.length - before;
  return { moment, acknowledged: code === 0, objects, temporaries: left.temporaries.length };
}

/** The id of the snapshot that an ingest acknowledged. */
export function snapshotOf(stdout: Uint8Array): string {
  return (only(records(stdout), 'summary')['snapshot'] as { readonly id: string }).id;
}

/**
 * What is wrong with a repository: acknowledged snapshots that do not come back, snapshots that nobody acknowledged and that are
 * not `killed`, the whole body of the ingest that was killed last, and damage. `ids`: the acknowledged ones to restore.
 */
export async function complaints(
  location: string,
  owed: Owed,
  ids: Iterable<string>,
  killed: string | undefined,
): Promise<string[]> {
  const found: string[] = [];
  const repository = await Repository.open(location, { threads: 2 });
  try {
    for (const id of ids) {
      const got = await restoredHash(repository, id);
      if (got !== owed.get(id)) found.push(`snapshot ${id} was acknowledged and does not come back: ${got}`);
    }
    for (const { id } of await repository.listSnapshots()) {
      if (owed.has(id)) continue;
      // The process was killed between the last write and its answer: the snapshot may be there, but only whole.
      const got = await restoredHash(repository, id);
      if (got === killed) owed.set(id, got);
      else found.push(`snapshot ${id} was never acknowledged, and is not the body that was killed: ${got}`);
    }
    const { errors } = await repository.verify({ level: 'standard' });
    for (const { error, repairable } of errors) if (!repairable) found.push(`verify: ${error}`);
  } finally {
    await repository.close();
  }
  return found;
}

async function restoredHash(repository: Repository, id: string): Promise<string> {
  try {
    return sha256(await collect(await repository.restore(id)));
  } catch (error) {
    return String(error);
  }
}

/** A run of kills. Each is judged, and followed by an ingest that must succeed and leave no temporary file. */
export async function* kills(cli: Cli, count: number, next: () => number): AsyncGenerator<Killed> {
  await make(cli.repository);
  const owed: Owed = new Map();
  const before = files(cli.repository).objects.length;
  const first = body(next());
  owed.set(snapshotOf((await cli.ok(['ingest', '--json'], { input: first })).stdout), sha256(first));
  const objects = files(cli.repository).objects.length - before;
  for (let round = 0; round < count; round += 1) {
    const input = body(next());
    const killed = await killedIngest(cli, input, pick(next, objects), owed);
    // The newest and some others; all of them at the end.
    const sample = [...owed.keys()].filter((_id, i) => i === owed.size - 1 || next() % owed.size < 4);
    await refuseComplaints(complaints(cli.repository, owed, sample, sha256(input)), killed);
    const again = await cli.ok(['ingest', '--json'], { input });
    owed.set(snapshotOf(again.stdout), sha256(input));
    const stale = existsSync(join(cli.repository, TEMPORARIES)) ? readdirSync(join(cli.repository, TEMPORARIES)) : [];
    if (stale.length > 0) throw new Error(`Temporary files are left: ${stale.join(', ')}`);
    yield killed;
  }
  await cli.ok(['repair']);
  await refuseComplaints(complaints(cli.repository, owed, owed.keys(), undefined));
  await cli.ok(['verify', '--level', 'full']);
}

async function refuseComplaints(found: Promise<string[]>, killed?: Killed): Promise<void> {
  const all = await found;
  if (all.length > 0) throw new Error(`After ${JSON.stringify(killed ?? 'all')}:\n${all.join('\n')}`);
}
