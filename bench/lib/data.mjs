// The data that is measured: a tar of system folders that a seed chooses, made once and kept.
import { spawnSync } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of everything that bench/ writes; git ignores it. */
export const CACHE = fileURLToPath(new URL('../.cache/', import.meta.url));

const ROOTS = ['bin', 'include', 'lib', 'lib64', 'libexec', 'local', 'sbin', 'share'].map((name) => `/usr/${name}`);
ROOTS.push('/opt', '/var/lib', '/Library', '/System/Library');
const SAMPLE_BLOCKS = 256;
const BLOCK = 1 << 20;
const UNITS = { '': 1, K: 1e3, M: 1e6, G: 1e9, T: 1e12, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 };

/**
 * @typedef {object} Dataset
 * @property {string} path
 * @property {number} bytes
 * @property {string} sha256 Hex.
 */

/** Bytes of a size such as `2GB` or `300M`, in powers of ten, or `1GiB`, in powers of two. */
export function parseSize(text) {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([KMGT]?i?)B?$/i.exec(text) ?? [];
  if (number === undefined) throw new Error(`${JSON.stringify(text)} is not a size: give bytes, or 300MB, or 2GB.`);
  const factor = UNITS[unit.slice(0, 1).toUpperCase() + unit.slice(1).toLowerCase()];
  if (factor === undefined) throw new Error(`${JSON.stringify(text)} is not a size.`);
  return Math.round(Number(number) * factor);
}

/**
 * A tar of at least `bytes` bytes of this system's files, chosen by `seed`, folder by folder.
 * @returns {Promise<Dataset>}
 */
export async function systemTar(bytes, seed) {
  return made(`system-${bytes}-${seed}.tar`, async (path) => {
    const list = `${path}.list`;
    await writeFile(list, (await choose(bytes, seed)).map((file) => `${file.slice(1)}\0`).join(''));
    const { status, error } = spawnSync('tar', ['-C', '/', '--null', '-T', list, '-cf', path], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    if (status !== 0) throw new Error(`tar failed: ${error?.message ?? status}`);
    await rm(list);
  });
}

/**
 * A file of `bytes` bytes that no codec makes smaller and of which no chunk repeats: the key stream that belongs to `seed`.
 * @returns {Promise<Dataset>}
 */
export async function randomFile(bytes, seed) {
  return made(`random-${bytes}-${seed}.bin`, async (path) => {
    const key = createHash('sha256').update(`bench ${seed}`).digest();
    const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
    const file = await open(path, 'w');
    for (let at = 0; at < bytes; at += BLOCK)
      await file.write(cipher.update(Buffer.alloc(Math.min(BLOCK, bytes - at))));
    await file.close();
  });
}

/** The data set of this name, which `make` writes unless it is there. */
async function made(name, make) {
  await mkdir(CACHE, { recursive: true });
  const path = join(CACHE, name);
  const known = await described(path);
  if (known !== undefined) return known;
  console.error(`making ${path} …`);
  await make(`${path}.part`);
  await rename(`${path}.part`, path);
  return describe(path);
}

/** A file of the caller's own. */
export async function ownFile(path) {
  return { path, bytes: (await stat(path)).size, sha256: await sha256(path) };
}

/** What stands beside a file that was made earlier. */
async function described(path) {
  try {
    const [hash] = (await readFile(`${path}.sha256`, 'utf8')).split(' ');
    return { path, bytes: (await stat(path)).size, sha256: hash };
  } catch {
    return undefined;
  }
}

/** Writes it down in the form that `sha256sum -c` reads. */
async function describe(path) {
  const data = await ownFile(path);
  await writeFile(`${path}.sha256`, `${data.sha256}  ${basename(path)}\n`);
  return data;
}

/** Hex SHA-256 of a file. Reads it, so that it is in the page cache afterwards. */
export async function sha256(path) {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path, { highWaterMark: BLOCK })) hash.update(part);
  return hash.digest('hex');
}

/** 256 blocks of 1 MiB, evenly spread over the data (or all of it): what the calibration works on. */
export async function sample({ path, bytes }) {
  const to = `${path.startsWith(CACHE) ? path : join(CACHE, basename(path))}.sample`;
  const source = await open(path, 'r');
  const target = await open(to, 'w');
  try {
    const count = Math.min(SAMPLE_BLOCKS, Math.ceil(bytes / BLOCK));
    const step = count > 1 ? (bytes - BLOCK) / (count - 1) : 0;
    for (let block = 0; block < count; block += 1) {
      const { buffer, bytesRead } = await source.read(
        Buffer.alloc(BLOCK),
        0,
        BLOCK,
        Math.max(0, Math.floor(block * step)),
      );
      await target.write(buffer.subarray(0, bytesRead));
    }
  } finally {
    await source.close();
    await target.close();
  }
  return to;
}

/** Numbers from 0 to 1, the same for the same seed (a linear congruential generator). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

async function choose(bytes, seed) {
  const folders = [];
  for (const root of ROOTS) folders.push(...(await filesByFolder(root)));
  const next = random(seed);
  const shuffled = folders.map((folder) => ({ folder, rank: next() })).toSorted((a, b) => a.rank - b.rank);
  const chosen = [];
  let size = 0;
  for (const { folder } of shuffled) {
    if (size >= bytes) break;
    for (const file of folder) chosen.push(file.path);
    size += folder.reduce((sum, file) => sum + file.size, 0);
  }
  if (size < bytes) {
    throw new Error(`The system folders hold only ${size} bytes: give a smaller --size, or --data FILE.`);
  }
  return chosen.toSorted((a, b) => (a < b ? -1 : 1));
}

/** The readable files of every folder below `top`, folder by folder, in order of name. */
async function filesByFolder(top) {
  const found = [];
  const waiting = [top];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    const files = [];
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) waiting.push(path);
      else if (entry.isFile()) files.push({ path, size: (await stat(path)).size });
    }
    if (files.length > 0) found.push(files);
  }
  return found;
}
