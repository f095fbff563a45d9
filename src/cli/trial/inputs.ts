/** Real data for `try`, and the same data after about 1 % of it has changed. */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { PackvaultError } from '../../index.ts';
import { bytes } from '../render.ts';

/** A file at one moment. */
interface Version {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** An item of the backups. */
export interface Input {
  readonly name: string;
  /** What it is, for people. */
  readonly about: string;
  /** Before and after the changes. */
  readonly versions: readonly [Version, Version];
}

export interface Place {
  /** A folder of ours. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

const DUMP_ROWS = 600_000;
const FOLDER_LIMIT = 384 << 20;
const READ_BYTES = 1 << 20;

/** What this machine has: a folder, and a dump that is made up. */
export async function usualInputs(place: Place, folder: string): Promise<Input[]> {
  const name = `${basename(folder) || 'root'}.tar`;
  const tree = await changed(place, name, `${folder}, as one tar stream`, (to) => tar(place, folder, to));
  return [tree, await dump(place)];
}

/** Files as they are, folders as tar streams. */
export async function inputsOf(place: Place, paths: readonly string[]): Promise<Input[]> {
  const inputs: Input[] = [];
  for (const [number, path] of paths.entries()) {
    const folder = (await stat(path)).isDirectory();
    // Two folders may have files of one name.
    const name = `${number + 1}-${basename(resolve(path))}${folder ? '.tar' : ''}`;
    const about = folder ? `${path}, as one tar stream` : path;
    const copy = (to: string): Promise<void> =>
      pipeline(createReadStream(path), createWriteStream(to), { signal: place.signal });
    inputs.push(await changed(place, name, about, (to) => (folder ? tar(place, path, to, Infinity) : copy(to))));
  }
  return inputs;
}

/** A file, and the same with a stretch of every 8 MiB replaced and some bytes inserted: about 1 %. */
async function changed(
  place: Place,
  name: string,
  about: string,
  make: (path: string) => Promise<void>,
): Promise<Input> {
  const [before, after] = twoPaths(place, name);
  await make(before);
  await refuseFull(place, (await stat(before)).size);
  async function* edited(): AsyncGenerator<Uint8Array> {
    for await (const part of createReadStream(before, { highWaterMark: 8 << 20 })) {
      const block = part as Buffer;
      const middle = block.length >> 1;
      const gone = Math.min(80_000, block.length - middle);
      yield block.subarray(0, middle);
      yield randomBytes(gone + 37);
      yield block.subarray(middle + gone);
    }
  }
  await pipeline(edited, createWriteStream(after), { signal: place.signal });
  return { name, about, versions: [await version(place, before), await version(place, after)] };
}

async function dump(place: Place): Promise<Input> {
  const name = 'dump.sql';
  const [before, after] = twoPaths(place, name);
  await pipeline(rows(false), createWriteStream(before), { signal: place.signal });
  await pipeline(rows(true), createWriteStream(after), { signal: place.signal });
  const about = `a made-up SQL dump of ${DUMP_ROWS.toLocaleString('en')} rows`;
  return { name, about, versions: [await version(place, before), await version(place, after)] };
}

function twoPaths({ folder }: Place, name: string): [string, string] {
  return [join(folder, `1-${name}`), join(folder, `2-${name}`)];
}

async function version({ signal }: Place, path: string): Promise<Version> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: READ_BYTES }), hash, { signal });
  return { path, size: (await stat(path)).size, sha256: hash.digest('hex') };
}

/** The changed version and the repository are still to come. */
async function refuseFull({ folder }: Place, size: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const needed = size * 3;
  if (bavail * bsize >= needed) return;
  throw new PackvaultError({
    code: 'OUT_OF_SPACE',
    message: `This needs ${bytes(needed)} more in ${dirname(folder)}, which has ${bytes(bavail * bsize)}. Set TMPDIR to a larger place, or give smaller files.`,
  });
}

/** A folder as one tar stream, without what builds leave. Files that can't be read are left out: any bytes will do here. */
async function tar({ signal }: Place, folder: string, to: string, limit: number = FOLDER_LIMIT): Promise<void> {
  const args = ['-C', folder, '--exclude=./target', '--exclude=./.git', '-cf', '-', '.'];
  const child = spawn('tar', args, { stdio: ['ignore', 'pipe', 'ignore'], signal });
  const started = new Promise<void>((resolved, rejected) => {
    child.once('spawn', resolved);
    child.once('error', (error) => rejected(new Error(`tar is needed for folders: ${error.message}.`)));
  });
  let left = limit;
  let empty = true;
  async function* first(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const part of source) {
      empty = false;
      yield part.subarray(0, left);
      left -= part.byteLength;
      if (left <= 0) return;
    }
  }
  await Promise.all([started, pipeline(child.stdout, first, createWriteStream(to), { signal })]);
  if (empty) throw new Error(`tar gave nothing for ${folder}.`);
}

/** Rows of a dump, the same every time; `changed` alters one in a hundred, in runs. */
function* rows(after: boolean): Generator<Buffer> {
  let state = 42;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
  let lines: string[] = [];
  for (let id = 1; id <= DUMP_ROWS; id += 1) {
    const [a, b, c] = [next(), next(), next()];
    const note = after && id % 20_000 < 200 ? 'changed' : 'order';
    lines.push(
      `INSERT INTO orders VALUES (${id}, '${a.toString(36)}', ${b % 10_000}, '${note} ${c.toString(16)}', now());`,
    );
    if (lines.length === 5_000) {
      yield Buffer.from(`${lines.join('\n')}\n`);
      lines = [];
    }
  }
}
