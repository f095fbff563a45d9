/** The objects of a container, page by page. */
import type { BlobItem, ContainerListBlobFlatSegmentResponse } from '@azure/storage-blob';
import { checkKey, type ObjectInfo } from '../../core/backend.ts';
import { PackvaultError } from '../../core/errors.ts';
import { notAzure } from './answers.ts';
import { brokenAnswer, type FailedCall } from './errors.ts';

/** Asks for the page after `marker`, or the first. */
type AskForPage = (marker: string | undefined) => Promise<ContainerListBlobFlatSegmentResponse>;

interface Bookmark {
  readonly prefix: string;
  /** The last name on a page. */
  readonly after: string;
  /** What the server wants to hear for the next one. */
  readonly marker: string;
}

const BOOKMARKS = 256;

/**
 * Where pages ended. Azure cannot list from a key on, only from the end of a page that it has sent; a listing that goes on where
 * an earlier one stopped begins there, and not at the first object of all.
 */
export class Bookmarks {
  readonly #marks: Bookmark[] = [];

  /** The marker of the last page end, in listings of this prefix, that is not after `name`. */
  before(prefix: string, name: string): string | undefined {
    let best: Bookmark | undefined;
    for (const mark of this.#marks) {
      if (mark.prefix !== prefix || mark.after > name) continue;
      if (best === undefined || mark.after >= best.after) best = mark;
    }
    return best?.marker;
  }

  add(mark: Bookmark): void {
    const same = this.#marks.findIndex(({ prefix, after }) => prefix === mark.prefix && after === mark.after);
    if (same >= 0) this.#marks.splice(same, 1);
    else if (this.#marks.length >= BOOKMARKS) this.#marks.shift();
    this.#marks.push(mark);
  }

  clear(): void {
    this.#marks.length = 0;
  }
}

/** What to list. */
export interface Listing {
  readonly ask: AskForPage;
  /** Of names in the container: the repository's folder, and the keys that are wanted in it. */
  readonly folder: string;
  readonly prefix: string;
  readonly startAfter: string;
  readonly bookmarks: Bookmarks;
  readonly call: FailedCall;
}

/**
 * The objects of a listing in the order of keys. Objects that no repository can have put there are left out. UNSUPPORTED if the
 * server lists out of order: what comes twice or not at all could not be told.
 */
export async function* objectsOf(listing: Listing): AsyncGenerator<ObjectInfo, void, undefined> {
  const { folder, prefix, startAfter, bookmarks, call } = listing;
  const names = folder + prefix;
  let last = startAfter;
  let marker = startAfter === '' ? undefined : bookmarks.before(names, folder + startAfter);
  do {
    const { items, next } = pageOf(await listing.ask(marker), call);
    if (next !== undefined && next === marker) {
      throw brokenAnswer(call, 'the server gives the same page again', 'never', 'The listing cannot be completed');
    }
    const end = items.at(-1)?.name;
    if (next !== undefined && end !== undefined) bookmarks.add({ prefix: names, after: end, marker: next });
    for (const info of items.flatMap((item) => objectOf(item, folder, call))) {
      call.signal?.throwIfAborted();
      if (info.key < last && last !== startAfter) throw outOfOrder(call, info.key, last);
      if (info.key <= last || !info.key.startsWith(prefix)) continue;
      last = info.key;
      yield info;
    }
    marker = next;
  } while (marker !== undefined);
}

function pageOf(
  answer: ContainerListBlobFlatSegmentResponse,
  call: FailedCall,
): { items: readonly BlobItem[]; next: string | undefined } {
  const { continuationToken, requestId, containerName } = answer;
  // A page of HTML has no objects either, and must not pass for an empty repository.
  const items = answer.segment?.blobItems as BlobItem[] | undefined;
  if (requestId === undefined || containerName === undefined || items === undefined) throw notAzure(call);
  return { items, next: continuationToken === undefined || continuationToken === '' ? undefined : continuationToken };
}

function objectOf({ name, properties, metadata }: BlobItem, folder: string, call: FailedCall): ObjectInfo[] {
  const { contentLength: size, lastModified } = properties ?? {};
  if (typeof name !== 'string' || size === undefined || lastModified === undefined) throw notAzure(call);
  // Accounts with a hierarchical namespace list their folders as empty objects.
  if (!name.startsWith(folder) || metadata?.['hdi_isfolder'] === 'true') return [];
  const key = name.slice(folder.length);
  return isKey(key) ? [{ key, size, modifiedAt: lastModified }] : [];
}

function isKey(key: string): boolean {
  try {
    checkKey(key);
    return true;
  } catch {
    return false;
  }
}

function outOfOrder(call: FailedCall, key: string, last: string): PackvaultError {
  return new PackvaultError({
    code: 'UNSUPPORTED',
    message: `${call.location} lists ${key} after ${last}: not in the order of keys (accounts with a hierarchical namespace may do so). No repository can be kept there. Nothing was changed.`,
    context: { key, location: call.location },
  });
}
