/** What a listing showed before the last changes. */
import type { ListOptions, ObjectInfo, StorageBackend } from '../../core/backend.ts';
import { PackvaultError } from '../../core/errors.ts';

/** Remembers, of the last changed keys, how they were before. */
export class StaleView {
  readonly #inner: StorageBackend;
  readonly #most: number;
  readonly #before = new Map<string, ObjectInfo | undefined>();

  /** `most`: how many changed keys a listing does not show as they are. */
  constructor(inner: StorageBackend, most: number) {
    this.#inner = inner;
    this.#most = most;
  }

  /** Does `change`, which concerns these keys. */
  async remember(keys: readonly string[], change: () => Promise<void>): Promise<void> {
    const before = new Map<string, ObjectInfo | undefined>();
    for (const key of keys) before.set(key, await this.#infoOf(key));
    await change();
    for (const [key, info] of before) {
      if (!this.#before.has(key)) this.#before.set(key, info);
    }
    for (const key of this.#before.keys()) {
      if (this.#before.size <= this.#most) break;
      this.#before.delete(key);
    }
  }

  async list(prefix: string, options?: ListOptions): Promise<ObjectInfo[]> {
    const infos = new Map<string, ObjectInfo>();
    for await (const info of this.#inner.list(prefix, options)) infos.set(info.key, info);
    for (const [key, info] of this.#before) {
      if (!key.startsWith(prefix) || key <= (options?.startAfter ?? '')) continue;
      if (info === undefined) infos.delete(key);
      else infos.set(key, info);
    }
    return [...infos.values()].toSorted((left, right) => (left.key < right.key ? -1 : 1));
  }

  async #infoOf(key: string): Promise<ObjectInfo | undefined> {
    try {
      return await this.#inner.stat(key);
    } catch (error) {
      if (PackvaultError.is(error)) return undefined;
      throw error;
    }
  }
}
