// The store as a process of a soak sees it: each request that changes or lists something leaves a line, and the clock may be off.
import { appendFileSync } from 'node:fs';
import { openUrl } from '../../dist/index.js';

const DAY_MS = 86_400_000;

/** What every process of a soak opens the repository with. */
export const OPTIONS = { passphrase: 'soak', threads: 2, memoryLimit: 64 << 20 };

/** Opens the store at `location`. `trace`: file for the lines. `days`: how much older objects look than they are. */
export async function openStore(location, { trace, days = 0 } = {}) {
  return new SoakStore(await openUrl(location), trace, days);
}

/** Passes everything on. */
class SoakStore {
  #inner;
  #trace;
  #days;

  constructor(inner, trace, days) {
    this.#inner = inner;
    this.#trace = trace;
    this.#days = days;
  }

  get location() {
    return this.#inner.location;
  }

  get capabilities() {
    return this.#inner.capabilities;
  }

  async put(key, bytes, options) {
    return this.#told(`put ${options.mode} ${key}`, () => this.#inner.put(key, bytes, options));
  }

  async get(key, options) {
    return this.#told(`get ${key}`, () => this.#inner.get(key, options));
  }

  async stat(key, options) {
    return this.#aged(await this.#inner.stat(key, options));
  }

  async *list(prefix, options) {
    const keys = [];
    this.#write(`list ${prefix} after ${options?.startAfter ?? ''}`);
    for await (const info of this.#inner.list(prefix, options)) {
      keys.push(info.key);
      yield this.#aged(info);
    }
    // Of packs there are many, and no decision rests on their order.
    this.#write(`listed ${prefix} ${prefix.startsWith('packs') ? keys.length : keys.join(' ')}`);
  }

  async delete(keys, options) {
    return this.#told(`delete ${keys.join(' ')}`, () => this.#inner.delete(keys, options));
  }

  async [Symbol.asyncDispose]() {
    await this.#inner[Symbol.asyncDispose]();
  }

  #aged(info) {
    return { ...info, modifiedAt: new Date(info.modifiedAt.getTime() - this.#days * DAY_MS) };
  }

  async #told(what, ask) {
    this.#write(`> ${what}`);
    try {
      const answer = await ask();
      this.#write(`< ${what}`);
      return answer;
    } catch (error) {
      this.#write(`! ${what}: ${error.code ?? error}`);
      throw error;
    }
  }

  #write(line) {
    if (this.#trace !== undefined) appendFileSync(this.#trace, `${new Date().toISOString()} ${line}\n`);
  }
}
