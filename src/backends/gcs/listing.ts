/** The objects of a bucket, page by page. */
import { checkKey, type ObjectInfo } from '../../core/backend.ts';
import { PackvaultError } from '../../core/errors.ts';
import { infoOf, notGcs, type ObjectResource, type PageResource } from './answers.ts';
import { brokenAnswer, type FailedCall } from './errors.ts';

/** Asks for the page of this token, or the first. */
export type AskForPage = (token: string | undefined) => Promise<PageResource>;

/**
 * The objects below `folder`, their keys without it, from pages that `ask` gets. Objects that no repository can have put there are
 * left out. UNSUPPORTED if the server lists out of order: what comes twice or not at all could not be told.
 */
export async function* objectsOf(
  ask: AskForPage,
  folder: string,
  startAfter: string,
  call: FailedCall,
): AsyncGenerator<ObjectInfo, void, undefined> {
  let last = startAfter;
  let token: string | undefined;
  do {
    const page = await ask(token);
    // A page of another service has no objects either, and must not pass for an empty repository.
    if (page.kind !== 'storage#objects') throw notGcs(call);
    for (const info of (page.items ?? []).flatMap((item) => objectOf(item, folder, call))) {
      call.signal?.throwIfAborted();
      if (info.key < last && last !== startAfter) throw outOfOrder(call, info.key, last);
      // startOffset is the first that is listed.
      if (info.key <= last) continue;
      last = info.key;
      yield info;
    }
    const next = typeof page.nextPageToken === 'string' && page.nextPageToken !== '' ? page.nextPageToken : undefined;
    if (next !== undefined && next === token) {
      throw brokenAnswer(call, 'the server gives the same page again', 'never', 'The listing cannot be completed');
    }
    token = next;
  } while (token !== undefined);
}

function objectOf(item: ObjectResource, folder: string, call: FailedCall): ObjectInfo[] {
  const { name } = item;
  if (typeof name !== 'string') throw notGcs(call);
  const key = name.slice(folder.length);
  return name.startsWith(folder) && isKey(key) ? [infoOf(item, name, { ...call, key })] : [];
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
    message: `${call.location} lists ${key} after ${last}: not in the order of keys. No repository can be kept there. Nothing was changed.`,
    context: { key, location: call.location },
  });
}
