/** Stores that are wrong on purpose, each in one way. */
import { checkKey, type ObjectInfo, type PutOptions, type StorageBackend } from '../../../src/core/backend.ts';
import { PackvaultError } from '../../../src/core/errors.ts';
import { infosOf, turnsOfEventLoop } from '../../../src/testing/expect.ts';

/** Makes an instance lie. */
type Wrap = (honest: StorageBackend) => StorageBackend;

export interface Lie {
  readonly what: string;
  /** Name of the one case that must catch it. */
  readonly fails: string;
  /** Called for each place; what it returns, for each instance on this place. */
  readonly tell: () => Wrap;
}

/** `fails`: the case, `what`: what the store does. `tell` is called for each instance. */
export function lie(fails: string, what: string, tell: (honest: StorageBackend) => Partial<StorageBackend>): Lie {
  return lieAbout(fails, what, () => tell);
}

/** As `lie`, where the instances on a place have something in common. */
export function lieAbout(
  fails: string,
  what: string,
  tell: () => (honest: StorageBackend) => Partial<StorageBackend>,
): Lie {
  return {
    what,
    fails,
    tell() {
      const about = tell();
      return (honest) => wrong(honest, about(honest));
    },
  };
}

/** An instance whose members are those of `honest`, but for `lies`. */
export function wrong(honest: StorageBackend, lies: Partial<StorageBackend>): StorageBackend {
  return {
    location: honest.location,
    capabilities: honest.capabilities,
    put: async (...given) => honest.put(...given),
    get: async (...given) => honest.get(...given),
    stat: async (...given) => honest.stat(...given),
    list: (...given) => honest.list(...given),
    delete: async (...given) => honest.delete(...given),
    [Symbol.asyncDispose]: async () => honest[Symbol.asyncDispose](),
    ...lies,
  };
}

export const OVERWRITE: PutOptions = { mode: 'overwrite' };

export async function turn(): Promise<void> {
  await turnsOfEventLoop(1);
}

export async function exists(store: StorageBackend, key: string): Promise<boolean> {
  return store.stat(key).then(
    () => true,
    () => false,
  );
}

/** Of the object that is there; -1 if there is none. */
export async function sizeThere(store: StorageBackend, key: string): Promise<number> {
  return store.stat(key).then(
    ({ size }) => size,
    () => -1,
  );
}

export function isKey(key: unknown): boolean {
  try {
    checkKey(key);
    return true;
  } catch {
    return false;
  }
}

export function refuse(code: PackvaultError['code'], key = ''): PackvaultError {
  return new PackvaultError({ code, message: `${code}, the liar says.`, context: { key } });
}

/** A listing that is changed as a whole. */
export async function* changed(
  listing: AsyncIterable<ObjectInfo>,
  change: (infos: ObjectInfo[]) => readonly ObjectInfo[],
): AsyncGenerator<ObjectInfo, void, undefined> {
  yield* change(await infosOf(listing));
}
