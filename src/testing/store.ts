/** What a store's author tells the conformance suite. */
import type { StorageBackend } from '../core/backend.ts';

/**
 * A place in the store that belongs to one case: a bucket, a prefix, a folder. It is empty at first, and no other place sees
 * what is in it.
 */
export interface Place {
  /**
   * An instance on this place, as a client that has just started would make it: nothing that one instance caches may reach
   * another. Called several times. The suite disposes what it got.
   */
  open(): StorageBackend | Promise<StorageBackend>;
  /** What the program `spawnable` needs to open the same place, credentials apart (let it read those from its environment). */
  readonly address?: string;
  /** How many requests have reached the store, if that can be counted: proves that an aborted call asked nothing. */
  requests?(): number;
  /** Takes the place away with all that is in it. Called when its case has ended, passed or failed. */
  remove?(): void | Promise<void>;
}

/**
 * An instance whose store, or whose way to it, is broken. `place` is healthy; the case may have put objects there. Switch the
 * backend's own retries off, and give it short time-outs (a second): the suite waits for them.
 */
export type BrokenStore = (place: Place) => StorageBackend | Promise<StorageBackend>;

/** Ways in which a store fails. Each is optional, and each one given is a case. What a case expects stands in cases/broken.ts. */
export interface BrokenStores {
  /** The bucket or container doesn't exist, and the backend does not make it. */
  readonly missingBucket?: BrokenStore;
  /** A login that the store refuses. */
  readonly wrongCredentials?: BrokenStore;
  /** A login that may read and list the place, but neither put nor delete. */
  readonly readOnly?: BrokenStore;
  /** A login that may do all but delete. */
  readonly undeletable?: BrokenStore;
  /** Nobody listens at the store's address. */
  readonly refused?: BrokenStore;
  /** The store's host name doesn't exist. */
  readonly unknownHost?: BrokenStore;
  /** The store takes the connection and never answers. */
  readonly silent?: BrokenStore;
  /** The store answers every request that there are too many of them (429, 503 SlowDown). */
  readonly throttled?: BrokenStore;
  /** As `throttled`, and the answers ask for a pause of three seconds (Retry-After: 3). */
  readonly retryAfter?: BrokenStore;
  /** The store answers every request with a failure of its own (500, 503). */
  readonly failing?: BrokenStore;
  /** Something on the way answers every request with a page of HTML and status 200 (a captive portal, a proxy). */
  readonly html?: BrokenStore;
  /** The connection breaks in the middle of every body that is read. */
  readonly cutBody?: BrokenStore;
  /** A body that is read stops in the middle, and the connection stays open. */
  readonly stalledBody?: BrokenStore;
  /** A body that is read ends early, as if it were whole. */
  readonly shortBody?: BrokenStore;
  /** The store ignores ranges and sends the whole object with status 200. */
  readonly ignoredRange?: BrokenStore;
  /** A bit of a body that is read flips on the way. Only for a backend that checks the store's checksums. */
  readonly corruptedBody?: BrokenStore;
  /** A bit of a body that is put flips on the way. Only for a store that checks what it gets. */
  readonly corruptedUpload?: BrokenStore;
  /** The store does what it is asked for, and the connection breaks before it has answered. */
  readonly lostAnswer?: BrokenStore;
  /** No room for one more object. */
  readonly full?: BrokenStore;
}

/** A store under test. */
export interface StoreFactory {
  /** Makes a place. Called for each case; places exist side by side. Give some of them names of which one begins the other. */
  place(): Place | Promise<Place>;
  /**
   * A program for cases that need a second process: a module that Node runs as it stands and that awaits
   * `serveStore(open)` of this package, where `open(address)` makes an instance on the place with this `address`.
   */
  readonly spawnable?: URL;
  /** Secrets that the instances know. None may show in an error, its cause, or a location. */
  readonly secrets?: readonly string[];
  readonly broken?: BrokenStores;
  /** The store refuses a put whose `sha256` is not that of its body. */
  readonly checksSha256?: boolean;
}

/** How hard to try. */
export interface ConformanceOptions {
  /** Of a large object, in bytes: more than the store moves at once. Default 8 MiB. */
  readonly largeBytes?: number;
  /** Of the largest object that is tried, in bytes. Default: none is tried beyond `largeBytes`. */
  readonly largestBytes?: number;
  /** Keys of a long listing: more than two pages of the store. Default 2,500. */
  readonly manyKeys?: number;
  /** Creates that race in a round. Default 32. */
  readonly racers?: number;
  /** Rounds of races. Default 20. */
  readonly rounds?: number;
  /** A bound for a case that hangs, in milliseconds. Default 120,000. */
  readonly timeoutMs?: number;
}
