/** Bytes to and from files of the server: many requests on their way at once, and never fewer bytes than asked for. */
import { type CheckedRange, notFound, rangeInvalid, resolveRange } from '../../core/backend.ts';
import { isAbsence } from './errors.ts';
import type { Handle, Session } from './session.ts';

// What OpenSSH takes before the other side has to wait for its word: more would only wait in buffers.
const WRITE_BYTES = 2 * 1024 * 1024;
// They wait for the line only (see the window in session.ts), and need no memory beyond the target's.
const READ_BYTES = 8 * 1024 * 1024;
const MAX_REQUESTS = 64;

/** What to read of which object. */
export interface Reading {
  readonly path: string;
  readonly key: string;
  readonly range: CheckedRange | undefined;
  readonly maxBytes: number | undefined;
}

/** Writes all of `body`. When this settles, `body` is no longer read. */
export async function writeAll(
  session: Session,
  handle: Handle,
  body: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const from = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const pieceBytes = session.pieceBytes.write;
  const lot = { start: 0, end: from.byteLength, pieceBytes, inFlight: WRITE_BYTES };
  await inPieces(lot, signal, async (at, length) => session.write(handle, from, at, length, at));
}

/** Reads an object or a part of it. NOT_FOUND, RANGE_INVALID, or what the server refuses. */
export async function readObject(
  session: Session,
  { path, key, range, maxBytes }: Reading,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const handle = await openObject(session, path, key);
  try {
    const found = await session.fstat(handle);
    if (!found.isFile) throw notFound(key);
    const { start, end } = resolveRange(key, found.size, range, maxBytes);
    return await readExactly(session, handle, { key, start, end }, signal);
  } finally {
    session.forget(session.close(handle));
  }
}

async function openObject(session: Session, path: string, key: string): Promise<Handle> {
  try {
    return await session.open(path, 'r');
  } catch (error) {
    // Some servers refuse to open a folder, which is no object.
    if (!isAbsence(error) && (await session.look(path))?.isFolder === true) throw notFound(key, error);
    throw error;
  }
}

/** The bytes from `start` to `end` (exclusive) in memory of their own. RANGE_INVALID if the file ends before. */
async function readExactly(
  session: Session,
  handle: Handle,
  { key, start, end }: { readonly key: string; readonly start: number; readonly end: number },
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const into = Buffer.allocUnsafeSlow(end - start);
  const lot = { start, end, pieceBytes: session.pieceBytes.read, inFlight: READ_BYTES };
  await inPieces(lot, signal, async (at, length) => {
    for (let filled = 0; filled < length; ) {
      const got = await session.read(handle, into, at + filled - start, length - filled, at + filled);
      if (got === 0) {
        throw rangeInvalid(key, `its file ended at byte ${at + filled}`, { offset: start, length: end - start });
      }
      filled += got;
    }
  });
  return new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
}

/** A range, and how it is moved. All in bytes. */
interface Lot {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly pieceBytes: number;
  readonly inFlight: number;
}

/** Does `piece` for each part of a range, several at a time. When this settles, none of them is running. */
async function inPieces(
  { start, end, pieceBytes, inFlight }: Lot,
  signal: AbortSignal | undefined,
  piece: (at: number, length: number) => Promise<void>,
): Promise<void> {
  let next = start;
  const work = async (): Promise<void> => {
    while (next < end) {
      signal?.throwIfAborted();
      const at = next;
      const length = Math.min(pieceBytes, end - at);
      next = at + length;
      try {
        await piece(at, length);
      } catch (error) {
        next = end;
        throw error;
      }
    }
  };
  const workers = Math.min(Math.ceil(inFlight / pieceBytes), MAX_REQUESTS, Math.ceil((end - start) / pieceBytes));
  const outcomes = await Promise.allSettled(Array.from({ length: workers }, work));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
