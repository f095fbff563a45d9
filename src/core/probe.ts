/** Finds out what a store really does. Nobody believes "supports create-only": many servers ignore the condition, or check and then write. */
import { randomBytes } from 'node:crypto';
import type { StorageBackend } from './backend.ts';
import { PackvaultError } from './errors.ts';

/** One guarantee, and whether the store kept it. */
export interface ProbeFinding {
  readonly name: string;
  readonly ok: boolean;
  /** What was seen, and what it means for a repository there. */
  readonly detail: string;
  /** Without it no repository can be kept there. */
  readonly required: boolean;
}

export interface ProbeResult {
  /** Whether a repository can be kept there. */
  readonly usable: boolean;
  /** Of racing creates one wins: several maintainers may work at once. */
  readonly exclusiveCreate: boolean;
  readonly findings: readonly ProbeFinding[];
}

interface Probe {
  readonly backend: StorageBackend;
  readonly folder: string;
  readonly signal: AbortSignal | undefined;
}

const RACERS = 16;
const ROUNDS = 8;
const BODY_BYTES = 4_096;

/**
 * Tries, with small objects under `probe/`, which are deleted at the end: whole writes and reads, ranges at the edges, overwriting, listing after a
 * put, deletion, creating twice, and creating at the same moment. Throws what the store throws for a reason of its own (no such
 * bucket, no permission to write, no connection). A store that lets nobody delete is usable; then the small objects stay.
 */
export async function probe(backend: StorageBackend, signal?: AbortSignal): Promise<ProbeResult> {
  const p: Probe = {
    backend,
    folder: `probe/${randomBytes(8).toString('hex')}`,
    // Each request follows the caller's signal by one of its own: racing requests would be too many listeners for one.
    get signal() {
      return signal && AbortSignal.any([signal]);
    },
  };
  const findings: ProbeFinding[] = [];
  try {
    findings.push(
      await wholeObjects(p),
      await ranges(p),
      await overwriting(p),
      await listing(p),
      await creatingTwice(p),
    );
    findings.push(await racingCreates(p));
  } finally {
    findings.push(await deleting(p));
  }
  const holds = (name: string): boolean => findings.some((finding) => finding.name === name && finding.ok);
  return {
    usable: findings.every((finding) => finding.ok || !finding.required),
    exclusiveCreate: holds('create twice') && holds('racing creates'),
    findings,
  };
}

/** UNSUPPORTED with the guarantees that a store lacks, unless a repository can be kept there. */
export function refuseUnusable(location: string, { usable, findings }: ProbeResult): void {
  if (usable) return;
  const missing = findings.filter((finding) => finding.required && !finding.ok);
  throw new PackvaultError({
    code: 'UNSUPPORTED',
    message: `${location} can't hold a repository safely: ${missing.map(({ name, detail }) => `${name}: ${detail}`).join('; ')}. Nothing was made there. What works: keep the repository elsewhere and copy its objects there with another tool.`,
    context: { missing: missing.map(({ name }) => name).join(', ') },
  });
}

function body(): Uint8Array {
  return new Uint8Array(randomBytes(BODY_BYTES));
}

function found(name: string, required: boolean, ok: boolean, good: string, bad: string): ProbeFinding {
  return { name, ok, detail: ok ? good : bad, required };
}

function same(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.from(left).equals(right);
}

async function wholeObjects({ backend, folder, signal }: Probe): Promise<ProbeFinding> {
  const [key, bytes] = [`${folder}/whole`, body()];
  await backend.put(key, bytes, { mode: 'overwrite', signal });
  const back = await backend.get(key, { signal });
  return found(
    'read after write',
    true,
    same(back, bytes),
    'what was written is read',
    'other bytes came back than were written',
  );
}

async function ranges({ backend, folder, signal }: Probe): Promise<ProbeFinding> {
  const [key, bytes] = [`${folder}/ranges`, body()];
  await backend.put(key, bytes, { mode: 'overwrite', signal });
  const edges = [
    [0, 1],
    [BODY_BYTES - 1, 1],
    [100, 1_000],
    [0, BODY_BYTES],
  ] as const;
  for (const [offset, length] of edges) {
    const part = await backend.get(key, { offset, length, signal });
    if (same(part, bytes.subarray(offset, offset + length))) continue;
    return found('ranges', true, false, '', `bytes ${offset} to ${offset + length} were not what was asked for`);
  }
  const beyond = await codeOf(backend.get(key, { offset: BODY_BYTES - 1, length: 2, signal }));
  return found('ranges', true, beyond === 'RANGE_INVALID', 'exact', 'a read beyond the end was not refused');
}

async function overwriting({ backend, folder, signal }: Probe): Promise<ProbeFinding> {
  const [key, bytes] = [`${folder}/overwrite`, body()];
  await backend.put(key, body(), { mode: 'overwrite', signal });
  await backend.put(key, bytes, { mode: 'overwrite', signal });
  const back = await backend.get(key, { signal });
  return found(
    'overwrite',
    true,
    same(back, bytes),
    'the newest is read',
    'an old object was read after it was replaced',
  );
}

async function listing({ backend, folder, signal }: Probe): Promise<ProbeFinding> {
  const keys = ['a', 'b', 'c'].map((name) => `${folder}/list/${name}`);
  for (const key of keys) await backend.put(key, body(), { mode: 'overwrite', signal });
  const seen: string[] = [];
  for await (const { key } of backend.list(`${folder}/list/`, { startAfter: keys[0], signal })) seen.push(key);
  const right = seen.join() === keys.slice(1).join();
  return found(
    'list after put',
    true,
    right,
    'new objects are listed at once, in order',
    'a listing did not show what was just written',
  );
}

async function creatingTwice({ backend, folder, signal }: Probe): Promise<ProbeFinding> {
  const [key, bytes] = [`${folder}/twice`, body()];
  const bad = 'an object that is there is replaced by a create';
  const first = await codeOf(backend.put(key, bytes, { mode: 'create', signal }));
  // A backend of a store without conditions takes a create as a plain put.
  if (first !== undefined) return found('create', true, false, '', `a create of a new object failed (${first})`);
  const second = await codeOf(backend.put(key, body(), { mode: 'create', signal }));
  const kept = second === 'ALREADY_EXISTS' && same(await backend.get(key, { signal }), bytes);
  return found('create twice', false, kept, 'the second is refused', bad);
}

async function racingCreates(p: Probe): Promise<ProbeFinding> {
  const { backend, folder } = p;
  for (let round = 0; round < ROUNDS; round += 1) {
    const key = `${folder}/race-${round}`;
    const bodies = Array.from({ length: RACERS }, body);
    const outcomes = await Promise.all(
      bodies.map((bytes) => codeOf(backend.put(key, bytes, { mode: 'create', signal: p.signal }))),
    );
    const winners = bodies.filter((_, racer) => outcomes[racer] === undefined);
    const [winner] = winners;
    if (winner !== undefined && winners.length === 1 && same(await backend.get(key, { signal: p.signal }), winner))
      continue;
    const bad = `${winners.length} of ${RACERS} creates at one moment won; backups are safe there, but only one machine may prune`;
    return found('racing creates', false, false, '', bad);
  }
  return found('racing creates', false, true, `one of ${RACERS} wins, ${ROUNDS} times`, '');
}

/** Cleans up, and sees whether that is allowed. Never throws: a finding before it says more. */
async function deleting({ backend, folder, signal }: Probe): Promise<ProbeFinding> {
  const keys: string[] = [];
  const left: string[] = [];
  try {
    for await (const { key } of backend.list(`${folder}/`, { signal })) keys.push(key);
    for (let at = 0; at < keys.length; at += backend.capabilities.maxDeleteBatch) {
      await backend.delete(keys.slice(at, at + backend.capabilities.maxDeleteBatch), { signal });
    }
    for await (const { key } of backend.list(`${folder}/`, { signal })) left.push(key);
  } catch (error) {
    const code = PackvaultError.is(error) ? error.code : 'INTERNAL';
    return found(
      'delete',
      false,
      false,
      '',
      `not possible here (${code}): backups work; pruning needs other credentials; ${folder}/ is left`,
    );
  }
  return found(
    'delete',
    false,
    left.length === 0,
    'deleted objects are gone at once',
    'deleted objects are still listed',
  );
}

/** The code of a rejection, or `undefined`. What stops the probe altogether is thrown on. */
async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    const code = PackvaultError.is(error) ? error.code : undefined;
    if (code === 'ALREADY_EXISTS' || code === 'RANGE_INVALID' || code === 'UNSUPPORTED') return code;
    throw error;
  }
}
