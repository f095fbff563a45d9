/** Objects that never change and are needed again, kept near. */
import { createHash } from 'node:crypto';
import type {
  BackendCallOptions,
  BackendCapabilities,
  GetOptions,
  ListOptions,
  ObjectInfo,
  PutOptions,
  StorageBackend,
} from '../core/backend.ts';
import { PackvaultError } from '../core/errors.ts';
import type { CacheStore } from './store.ts';

/** What of a repository is kept: what is immutable, small, and read by every run. */
const CACHEABLE = /^(?:index\/.+\.idx|snapshots\/.+\.[ab]|gc\/.+\.[ab]|keys\/.+\.[ab])$/;
/** The folders of these. */
const FOLDERS: ReadonlySet<string> = new Set(['index/', 'snapshots/', 'gc/', 'keys/']);
/**
 * Records of rounds are numbered: in a store that was put back, or is not what it was, a name that is known may hold something else.
 * What a listing tells of size and time shows that.
 */
const RECORD = /^gc\//;
const CONFIG = 'config.json';
const CONFIG_COPY = 'config.copy.json';

const ID = /^[0-9a-f]{32}$/;
const MODES: ReadonlySet<string> = new Set(['aes-256-gcm', 'none']);
const PIN = 'pin';
/** Behind every key. */
const END = '\u{10ffff}';

/** What a client remembers of a repository between runs. */
export interface Pin {
  /** Whether it was encrypted. A repository never changes that. */
  readonly encryption: string;
  /** SHA-256 of config.json when both copies were seen to be the same. */
  readonly config?: string;
}

/** Opens the place where objects of the repository with this id are kept. */
export type OpenStore = (repository: string) => CacheStore;

/**
 * A store with a cache before it. It learns the repository's id from config.json, which is always read from the store, and keeps the
 * objects of each id apart. The copy of config is taken as seen while config.json is what it was when both were the same.
 * Presence is never cached: what a listing shows comes from the store, and what it doesn't show is dropped here, so deletion,
 * visibility, losses and removed keys are seen at once. Bodies are safe to keep because names are never reused (docs/format.md §2), those of
 * rounds excepted, which are kept by size and time as well; every one is checked
 * against its hash when it is read, and the engine authenticates it again.
 *
 * ROLLED_BACK if the store says that a repository which this client knows as encrypted is not, or the other way round.
 */
export class CacheBackend implements StorageBackend {
  readonly #inner: StorageBackend;
  readonly #open: OpenStore;
  #store: CacheStore | undefined;
  #pin: Pin | undefined;
  #id: string | undefined;
  #config: Uint8Array | undefined;
  /** Under which names records of rounds are kept: those of the last listings. */
  readonly #records = new Map<string, string>();

  constructor(inner: StorageBackend, open: OpenStore) {
    this.#inner = inner;
    this.#open = open;
  }

  get location(): string {
    return this.#inner.location;
  }

  get capabilities(): BackendCapabilities {
    return this.#inner.capabilities;
  }

  async put(key: string, body: Uint8Array, options: PutOptions): Promise<void> {
    await this.#inner.put(key, body, options);
    if (key === CONFIG) await this.#meet(body);
    else if (CACHEABLE.test(key) && !RECORD.test(key)) await this.#store?.put(key, body);
  }

  async get(key: string, options: GetOptions = {}): Promise<Uint8Array> {
    options.signal?.throwIfAborted();
    if (options.offset !== undefined || options.length !== undefined) return this.#inner.get(key, options);
    if (key === CONFIG_COPY) return this.#copyOfConfig(options);
    if (CACHEABLE.test(key)) return this.#immutable(key, options);
    const body = await this.#inner.get(key, options);
    if (key === CONFIG) await this.#meet(body);
    return body;
  }

  /**
   * The same store, for calls that read the same few parts of packs each time, such as lists of chunks: these parts are kept, too.
   * A pack's name is the hash of its bytes, and whoever reads a part checks it.
   */
  keeping(): StorageBackend {
    return {
      location: this.location,
      capabilities: this.capabilities,
      put: (key, body, options) => this.put(key, body, options),
      get: (key, options) => this.#part(key, options),
      stat: (key, options) => this.stat(key, options),
      list: (prefix, options) => this.list(prefix, options),
      delete: (keys, options) => this.delete(keys, options),
      [Symbol.asyncDispose]: () => this[Symbol.asyncDispose](),
    };
  }

  async #part(key: string, options: GetOptions = {}): Promise<Uint8Array> {
    const { offset, length } = options;
    const [name] = /[0-9a-f]{64}(?=\.pack$)/.exec(key) ?? [];
    if (name === undefined || offset === undefined || length === undefined) return this.get(key, options);
    options.signal?.throwIfAborted();
    const part = `parts/${name}-${offset}-${length}`;
    const cached = await this.#store?.get(part);
    if (cached?.byteLength === length) return cached;
    const body = await this.#inner.get(key, options);
    await this.#store?.put(part, body);
    return body;
  }

  async #immutable(key: string, options: GetOptions): Promise<Uint8Array> {
    const name = RECORD.test(key) ? this.#records.get(key) : key;
    if (name === undefined) return this.#inner.get(key, options);
    const cached = await this.#store?.get(name);
    if (cached !== undefined && cached.byteLength <= (options.maxBytes ?? Infinity)) return cached;
    const body = await this.#inner.get(key, options);
    await this.#store?.put(name, body);
    return body;
  }

  stat(key: string, options?: BackendCallOptions): Promise<ObjectInfo> {
    return this.#inner.stat(key, options);
  }

  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo> {
    return FOLDERS.has(prefix) ? this.#listing(prefix, options) : this.#inner.list(prefix, options);
  }

  async delete(keys: readonly string[], options?: BackendCallOptions): Promise<void> {
    await this.#store?.delete(keys.filter((key) => CACHEABLE.test(key)));
    await this.#inner.delete(keys, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  /** Passes a listing on, then drops what is kept of the part that was listed and is not there any more. */
  async *#listing(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo, void, undefined> {
    const listed = new Set<string>();
    const from = options.startAfter ?? '';
    let to = from;
    try {
      for await (const info of this.#inner.list(prefix, options)) {
        const name = nameOf(info);
        listed.add(name);
        if (name !== info.key) this.#records.set(info.key, name);
        to = info.key;
        yield info;
      }
      to = END;
    } finally {
      const kept = (await this.#store?.keys(prefix)) ?? [];
      const within = (name: string): boolean => {
        const [key = ''] = name.split('@');
        return key > from && key <= to;
      };
      await this.#store?.delete(kept.filter((name) => within(name) && !listed.has(name)));
    }
  }

  async #copyOfConfig(options: GetOptions): Promise<Uint8Array> {
    const known = this.#config;
    if (known !== undefined && this.#pin?.config === hashOf(known)) return known.slice();
    const body = await this.#inner.get(CONFIG_COPY, options);
    await this.#identify(body);
    if (known !== undefined && this.#pin !== undefined && Buffer.from(body).equals(known)) {
      await this.#remember({ ...this.#pin, config: hashOf(known) });
    }
    return body;
  }

  async #remember(pin: Pin): Promise<void> {
    this.#pin = pin;
    await this.#store?.put(PIN, Buffer.from(JSON.stringify(pin)));
  }

  async #meet(body: Uint8Array): Promise<void> {
    if (await this.#identify(body)) this.#config = Uint8Array.from(body);
  }

  /**
   * Reads from a copy of config who the repository is. What can't be read, and a mode that there isn't, is damage: it is left to
   * the engine, which looks at the other copy.
   */
  async #identify(body: Uint8Array): Promise<boolean> {
    let config: { readonly id?: unknown; readonly encryption?: unknown } | null;
    try {
      config = JSON.parse(Buffer.from(body).toString('utf8')) as typeof config;
    } catch {
      return false;
    }
    const { id, encryption } = config ?? {};
    if (typeof id !== 'string' || !ID.test(id) || typeof encryption !== 'string' || !MODES.has(encryption))
      return false;
    if (this.#id !== id) {
      this.#id = id;
      this.#store = this.#open(id);
      this.#pin = await readPin(this.#store);
    }
    if (this.#pin === undefined) await this.#remember({ encryption });
    else if (this.#pin.encryption !== encryption) throw changedMode(this.location, this.#pin.encryption, encryption);
    return true;
  }
}

/** Under which name an object is kept that a listing shows. */
function nameOf({ key, size, modifiedAt }: ObjectInfo): string {
  return RECORD.test(key) ? `${key}@${size}-${modifiedAt.getTime()}` : key;
}

async function readPin(store: CacheStore): Promise<Pin | undefined> {
  const stored = await store.get(PIN);
  return stored === undefined ? undefined : (JSON.parse(Buffer.from(stored).toString('utf8')) as Pin);
}

function changedMode(location: string, known: string, now: string): PackvaultError {
  return new PackvaultError({
    code: 'ROLLED_BACK',
    message: `${location} was opened here with encryption ${known}; its config.json now says ${now}. Somebody has replaced it. Nothing was read or written. Put the right config.json back, from config.copy.json or from a copy of the repository.`,
    context: { known, now },
  });
}

function hashOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex');
}
