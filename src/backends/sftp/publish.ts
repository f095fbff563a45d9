/** From a temporary file to an object: one step, so that no reader sees part of it. */
import { alreadyExists } from '../../core/backend.ts';
import { ExplainedRefusal, isAbsence, statusOf } from './errors.ts';
import type { Session } from './session.ts';
import type { Temporaries } from './temporaries.ts';
import { readObject } from './transfer.ts';

/** What is to be published: a temporary file, the path that it gets, and the object's key and bytes. */
export interface Publication {
  readonly temporary: string;
  readonly path: string;
  readonly key: string;
  readonly body: Uint8Array;
  readonly signal: AbortSignal | undefined;
}

// Others may take and free the same name between two steps of ours.
const ATTEMPTS = 4;

/** Ways to give a file its name. The temporary file may still be there afterwards; its owner discards it. */
export class Publisher {
  readonly #temporaries: Temporaries;
  #hardLinks = true;

  constructor(temporaries: Temporaries) {
    this.#temporaries = temporaries;
  }

  /** Whether creates are exclusive, as far as is known. Only hard links make them so on every server. */
  get isExclusive(): boolean {
    return this.#hardLinks;
  }

  /** Takes note of what a server has. */
  meet(session: Session): void {
    if (!session.extensions.hardLink) this.#hardLinks = false;
  }

  /** ALREADY_EXISTS if there is an object. */
  async create(session: Session, what: Publication): Promise<void> {
    if (this.#hardLinks && (await this.#link(session, what))) return;
    await this.#createByRename(session, what);
    // Only now: where rename fails too, it was a matter of permissions.
    this.#hardLinks = false;
  }

  /** Takes the place of an object that is there. */
  async replace(session: Session, what: Publication): Promise<void> {
    const { temporary, path } = what;
    const { posixRename } = session.extensions;
    try {
      await (posixRename ? session.posixRename(temporary, path) : session.rename(temporary, path));
    } catch (error) {
      if (isAbsence(error) || !(await isObject(session, path, error)) || posixRename) throw error;
      await this.#replaceInSteps(session, what);
    }
  }

  /** False where the file system behind the server has no hard links. */
  async #link(session: Session, { temporary, path, key }: Publication): Promise<boolean> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      try {
        await session.hardLink(temporary, path);
        return true;
      } catch (error) {
        if (isAbsence(error)) throw error;
        // The refusal of a name that is taken looks like any other. It may have been freed before we look: so try again.
        if (await isObject(session, path, error)) throw alreadyExists(key, error);
      }
    }
    return false;
  }

  /** Exclusive on some servers (OpenSSH), while others replace: of two creates at the same moment both may win. */
  async #createByRename(session: Session, { temporary, path, key }: Publication): Promise<void> {
    if (await isObject(session, path)) throw alreadyExists(key);
    try {
      await session.rename(temporary, path);
    } catch (error) {
      if (!isAbsence(error) && (await isObject(session, path, error))) throw alreadyExists(key, error);
      throw error;
    }
  }

  /**
   * For servers that refuse to rename onto a name that is taken. An object that has these bytes already is left alone; any other is
   * moved aside first, so for a moment there is none.
   */
  async #replaceInSteps(session: Session, what: Publication): Promise<void> {
    if (await holds(session, what)) return;
    const { temporary, path } = what;
    for (let attempt = 1; ; attempt += 1) {
      what.signal?.throwIfAborted();
      const aside = this.#temporaries.pathAside();
      try {
        await session.rename(path, aside);
      } catch (error) {
        // Gone: another client is at the same point.
        if (!isAbsence(error)) throw error;
      }
      try {
        await session.rename(temporary, path);
        return await this.#temporaries.discard(session, aside);
      } catch (error) {
        await this.#putBack(session, aside, path);
        if (isAbsence(error) || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** If the connection is lost before, the object stays aside, where a person finds it and nobody removes it. */
  async #putBack(session: Session, aside: string, path: string): Promise<void> {
    try {
      await session.rename(aside, path);
    } catch (error) {
      // The name is taken again, by what another client put there: the older object is done with.
      if (statusOf(error) !== undefined && (await session.look(path)) !== undefined) {
        await this.#temporaries.discard(session, aside);
      }
    }
  }
}

/** Whether an object is there. A folder in its place makes the refusal an explained one. */
async function isObject(session: Session, path: string, refusal?: unknown): Promise<boolean> {
  if (refusal !== undefined && statusOf(refusal) === undefined) throw refusal;
  const found = await session.look(path);
  if (found?.isFolder === true) throw new ExplainedRefusal('occupied', refusal);
  return found !== undefined;
}

/** Whether the object is there with exactly these bytes. */
async function holds(session: Session, { path, key, body, signal }: Publication): Promise<boolean> {
  const found = await session.look(path);
  if (found?.size !== body.byteLength) return false;
  const there = await readObject(session, { path, key, range: undefined, maxBytes: body.byteLength }, signal);
  // From here on the body may be its owner's again.
  signal?.throwIfAborted();
  return Buffer.compare(there, body) === 0;
}
