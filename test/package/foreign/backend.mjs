import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkDelete, checkKey, checkListing, checkPut, checkRange, rangeInvalid, resolveRange } from 'packvault';
import { flatError } from './errors.mjs';
import { resolveOptions } from './options.mjs';

/** Of a file that is being written; no key has a tilde. */
const PART = '~';

/**
 * Objects as the files of one folder.
 *
 * @implements {import('packvault').StorageBackend}
 */
export class FlatBackend {
  #folder;

  constructor(options) {
    this.#folder = resolveOptions(options).folder;
    this.location = `flat:${this.#folder}`;
    this.capabilities = { exclusiveCreate: true, durablePut: false, maxObjectSize: 2 ** 31, maxDeleteBatch: 100 };
  }

  async put(key, body, options) {
    const { signal, mode } = options;
    signal?.throwIfAborted();
    checkPut(key, body, this.capabilities);
    const part = join(this.#folder, PART + randomUUID());
    await this.#asked('put', key, signal, async () => {
      await mkdir(this.#folder, { recursive: true });
      try {
        await writeFile(part, body, { flag: 'wx', signal });
        await (mode === 'create' ? link(part, this.#path(key)) : rename(part, this.#path(key)));
      } finally {
        await rm(part, { force: true });
      }
    });
  }

  async get(key, options = {}) {
    const { signal, maxBytes } = options;
    signal?.throwIfAborted();
    checkKey(key);
    const range = checkRange(key, options);
    return this.#asked('get', key, signal, async () => {
      const file = await open(this.#path(key));
      try {
        const { size } = await file.stat();
        const { start, end } = resolveRange(key, size, range, maxBytes);
        const bytes = new Uint8Array(end - start);
        const { bytesRead } =
          bytes.byteLength > 0 ? await file.read(bytes, 0, bytes.byteLength, start) : { bytesRead: 0 };
        signal?.throwIfAborted();
        if (bytesRead === bytes.byteLength) return bytes;
        throw rangeInvalid(key, `${bytesRead} bytes came`, { bytesRead });
      } finally {
        await file.close();
      }
    });
  }

  async stat(key, options = {}) {
    options.signal?.throwIfAborted();
    checkKey(key);
    return this.#asked('stat', key, options.signal, async () => this.#info(key));
  }

  async *list(prefix, options = {}) {
    const { signal, startAfter = '' } = options;
    signal?.throwIfAborted();
    checkListing(prefix, options.startAfter);
    const names = await readdir(this.#folder).catch(() => []);
    const keys = names.filter((name) => !name.startsWith(PART)).map((name) => name.replaceAll('%', '/'));
    for (const key of keys.filter((one) => one.startsWith(prefix) && one > startAfter).toSorted()) {
      signal?.throwIfAborted();
      const info = await this.#info(key).catch(() => undefined);
      if (info !== undefined) yield info;
    }
  }

  async delete(keys, options = {}) {
    options.signal?.throwIfAborted();
    checkDelete(keys, this.capabilities);
    for (const key of keys) {
      await this.#asked('delete', key, options.signal, () => rm(this.#path(key), { force: true }));
    }
  }

  async [Symbol.asyncDispose]() {}

  async #info(key) {
    const { size, mtime } = await stat(this.#path(key));
    return { key, size, modifiedAt: mtime };
  }

  async #asked(verb, key, signal, work) {
    try {
      return await work();
    } catch (error) {
      throw flatError(error, { verb, key, location: this.location, signal });
    }
  }

  #path(key) {
    return join(this.#folder, key.replaceAll('/', '%'));
  }
}
