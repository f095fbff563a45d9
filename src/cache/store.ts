/** Where cached objects are kept: a folder that several processes share, or memory. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { LRUCache } from 'lru-cache';

/** Keeps bodies by key. Nothing here ever throws: a cache that fails is a cache that is empty. */
export interface CacheStore {
  /** The body of a key, unchanged, or `undefined`. */
  get(key: string): Promise<Uint8Array | undefined>;
  put(key: string, body: Uint8Array): Promise<void>;
  delete(keys: readonly string[]): Promise<void>;
  /** The keys that are kept in a folder, such as `index/`. */
  keys(folder: string): Promise<string[]>;
}

const HASH_BYTES = 32;
/** What was seen takes no room and is not trimmed. */
const SEEN = 'seen';
/** Of an object that is being written; no key ends so. */
const PART = '.~part';

function hash(body: Uint8Array): Buffer {
  return createHash('sha256').update(body).digest();
}

/** A body and behind it its SHA-256: what a crash or a failing disk left is noticed and counts as absent. */
function sealed(body: Uint8Array): Buffer {
  return Buffer.concat([body, hash(body)]);
}

function opened(stored: Buffer): Uint8Array | undefined {
  const body = stored.subarray(0, Math.max(0, stored.byteLength - HASH_BYTES));
  return hash(body).equals(stored.subarray(body.byteLength)) ? new Uint8Array(body) : undefined;
}

/**
 * A folder. It may be deleted at any moment, also while it is used. It is trimmed at the first put and after each further eighth
 * of its bound, so that neither many short processes nor a long one make it grow.
 */
export class FolderStore implements CacheStore {
  readonly #folder: string;
  readonly #maxBytes: number;
  /** Bytes that were put since the last trim. */
  #untrimmed = Infinity;

  /** `maxBytes`: what a trim leaves at most; what was used last stays. */
  constructor(folder: string, maxBytes: number) {
    this.#folder = folder;
    this.#maxBytes = maxBytes;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const path = join(this.#folder, key);
    try {
      const body = opened(await readFile(path));
      // The time of last use decides what a trim removes first.
      if (body === undefined) await rm(path, { force: true });
      else await utimes(path, new Date(), new Date());
      return body;
    } catch {
      return undefined;
    }
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    const path = join(this.#folder, key);
    const part = `${path}.${randomBytes(6).toString('hex')}${PART}`;
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFile(part, sealed(body), { flag: 'wx', mode: 0o600 });
      await rename(part, path);
    } catch {
      await rm(part, { force: true }).catch(() => undefined);
    }
    this.#untrimmed += body.byteLength;
    if (this.#untrimmed > this.#maxBytes / 8) await this.#trim();
  }

  async delete(keys: readonly string[]): Promise<void> {
    await Promise.all(keys.map((key) => rm(join(this.#folder, key), { force: true }).catch(() => undefined)));
  }

  async keys(folder: string): Promise<string[]> {
    const names = await readdir(join(this.#folder, folder)).catch(() => []);
    return names.filter((name) => !name.endsWith(PART)).map((name) => folder + name);
  }

  async #trim(): Promise<void> {
    this.#untrimmed = 0;
    const files = (await this.#files()).toSorted((left, right) => right.usedMs - left.usedMs);
    let kept = 0;
    for (const file of files) {
      kept += file.size;
      const abandoned = file.path.endsWith(PART) && Date.now() - file.usedMs > 3_600_000;
      if (kept > this.#maxBytes || abandoned) await rm(file.path, { force: true }).catch(() => undefined);
    }
  }

  async #files(): Promise<{ path: string; size: number; usedMs: number }[]> {
    const found = await readdir(this.#folder, { recursive: true, withFileTypes: true }).catch(() => []);
    const files: { path: string; size: number; usedMs: number }[] = [];
    for (const entry of found) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile() || relative(this.#folder, path).split(sep)[0] === SEEN) continue;
      const info = await stat(path).catch(() => undefined);
      if (info !== undefined) files.push({ path, size: info.size, usedMs: info.mtimeMs });
    }
    return files;
  }
}

/** Memory of this process only. */
export class MemoryStore implements CacheStore {
  readonly #bodies: LRUCache<string, Uint8Array>;

  constructor(maxBytes: number) {
    this.#bodies = new LRUCache({ maxSize: maxBytes, sizeCalculation: (body) => Math.max(1, body.byteLength) });
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    // What get returns is the caller's to change.
    return this.#bodies.get(key)?.slice();
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    this.#bodies.set(key, Uint8Array.from(body));
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#bodies.delete(key);
  }

  async keys(folder: string): Promise<string[]> {
    return [...this.#bodies.keys()].filter((key) => key.startsWith(folder));
  }
}
