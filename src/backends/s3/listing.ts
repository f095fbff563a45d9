/** The objects of a bucket, page by page. */
import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { checkKey, type ObjectInfo } from '../../core/backend.ts';
import { PackvaultError } from '../../core/errors.ts';
import { notS3 } from './answers.ts';
import { brokenAnswer, type FailedCall } from './errors.ts';

/** A page, as the engine sees it. */
interface Page {
  readonly objects: readonly ObjectInfo[];
  /** What to ask for the next page with; `undefined`: there is none. */
  readonly next: string | undefined;
}

/** Asks for a page. */
export type AskForPage = (token: string | undefined) => Promise<ListObjectsV2CommandOutput>;

/**
 * The objects below `prefix` (of the bucket), their keys without it, from pages that `ask` gets. Objects that no repository can
 * have put there are left out. UNSUPPORTED if the server lists out of order: what comes twice or not at all could not be told.
 */
export async function* objectsOf(
  ask: AskForPage,
  prefix: string,
  startAfter: string,
  call: FailedCall,
): AsyncGenerator<ObjectInfo, void, undefined> {
  let last = startAfter;
  let token: string | undefined;
  do {
    const { objects, next } = pageOf(await ask(token), prefix, call);
    for (const info of objects) {
      call.signal?.throwIfAborted();
      if (info.key < last && last !== startAfter) throw outOfOrder(call, info.key, last);
      // Some servers ignore StartAfter, or begin a page with the last object of the one before.
      if (info.key <= last) continue;
      last = info.key;
      yield info;
    }
    if (next !== undefined && next === token) {
      throw brokenAnswer(call, 'the server gives the same page again', 'never', 'The listing cannot be completed');
    }
    token = next;
  } while (token !== undefined);
}

function pageOf(answer: ListObjectsV2CommandOutput, prefix: string, call: FailedCall): Page {
  const { Contents = [], EncodingType, IsTruncated, NextContinuationToken: next } = answer;
  // A page of HTML has no objects either, and must not pass for an empty repository.
  if (IsTruncated === undefined) throw notS3(call);
  if (IsTruncated && next === undefined) {
    throw brokenAnswer(call, 'the server does not say how its listing goes on', 'never', 'It cannot be completed');
  }
  const objects = Contents.flatMap(({ Key, Size, LastModified }): ObjectInfo[] => {
    const full = Key !== undefined && EncodingType === 'url' ? decoded(Key) : Key;
    if (full === undefined || Size === undefined || LastModified === undefined) throw notS3(call);
    const key = full.slice(prefix.length);
    return full.startsWith(prefix) && isKey(key) ? [{ key, size: Size, modifiedAt: LastModified }] : [];
  });
  return { objects, next: IsTruncated ? next : undefined };
}

/** As servers encode keys in listings: a blank is "+". */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', '%20'));
  } catch {
    return text;
  }
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
    message: `${call.location} lists ${key} after ${last}: not in the order of keys (directory buckets of S3 Express do so). No repository can be kept there. Nothing was changed.`,
    context: { key, location: call.location },
  });
}
