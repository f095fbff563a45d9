/** A case of the conformance suite, and how one is run. */
import type { BackendCapabilities, StorageBackend } from '../core/backend.ts';
import type { ConformanceOptions, Place, StoreFactory } from './store.ts';

/** What decides whether a case applies. */
export interface Given {
  readonly factory: StoreFactory;
  readonly capabilities: BackendCapabilities;
  /** The options, with the defaults filled in. */
  readonly settings: Settings;
  /** Places of this store have an `address` for `spawnable`. */
  readonly addressed: boolean;
}

export type Settings = Required<Omit<ConformanceOptions, 'largestBytes'>> & Pick<ConformanceOptions, 'largestBytes'>;

/** What a case works with. All that it opens is disposed when it has ended. */
export interface Subject extends Given {
  readonly place: Place;
  /** An instance on `place`. */
  readonly store: StorageBackend;
  /** One more instance, on `place` unless another is named. */
  readonly open: (place?: Place) => Promise<StorageBackend>;
  /** One more place. */
  readonly another: () => Promise<Place>;
  /** Disposes `held` when the case has ended. */
  readonly own: <T extends AsyncDisposable>(held: T) => T;
}

/** Passes if `run` resolves. It is data, so that the suite can be run by anything. */
export interface ConformanceCase {
  /** The behaviour, in a sentence. */
  readonly name: string;
  /** Default: to every store. */
  readonly applies?: (given: Given) => boolean;
  readonly run: (subject: Subject) => Promise<void>;
}

export function settingsOf(options: ConformanceOptions): Settings {
  return {
    largeBytes: 8 * 1024 * 1024,
    manyKeys: 2_500,
    racers: 32,
    rounds: 20,
    timeoutMs: 120_000,
    ...options,
  };
}

/** Runs one case on a place of its own. Rejects if the store fails it. */
export async function runCase(given: Given, { run }: ConformanceCase): Promise<void> {
  const held: AsyncDisposable[] = [];
  const places: Place[] = [];
  const another = async (): Promise<Place> => {
    const place = await given.factory.place();
    places.push(place);
    return place;
  };
  const own = <T extends AsyncDisposable>(one: T): T => {
    held.push(one);
    return one;
  };
  try {
    const place = await another();
    const open = async (where: Place = place): Promise<StorageBackend> => own(await where.open());
    await run({ ...given, place, store: await open(), open, another, own });
  } finally {
    for (const one of held.toReversed()) await one[Symbol.asyncDispose]();
    for (const place of places) await place.remove?.();
  }
}
