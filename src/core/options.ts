/** Checks what callers give, before the engine is asked. */
import { availableParallelism } from 'node:os';
import { isUint8Array } from 'node:util/types';
import { PackvaultError } from './errors.ts';
import type { Needs } from './memory.ts';
import type { IngestItem, InitOptions, OpenOptions, SnapshotFilter, VerifyOptions } from './types.ts';

const MIB = 1 << 20;

/** INVALID_ARGUMENT. */
export function invalid(message: string): PackvaultError {
  return new PackvaultError({ code: 'INVALID_ARGUMENT', message: `${message} Nothing was changed.` });
}

function whole(name: string, value: number, least: number, most: number): number {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw invalid(`${name} must be a whole number from ${least} to ${most}, not ${String(value)}.`);
  }
  return value;
}

/** Threads, memory and requests of a repository, with defaults. */
export function engineOptions(options: OpenOptions): { threads: number; memoryLimit: number; concurrency: number } {
  return {
    threads: whole('threads', options.threads ?? Math.min(availableParallelism(), 256), 1, 256),
    memoryLimit: whole('memoryLimit', options.memoryLimit ?? 256 * MIB, 16 * MIB, 2 ** 46),
    concurrency: whole('concurrency', options.concurrency ?? 16, 1, 1024),
  };
}

/** A copy of the passphrase's bytes, which the caller wipes. Text is normalized to form C. */
export function passphraseBytes(passphrase: string | Uint8Array | undefined): Uint8Array | undefined {
  if (passphrase === undefined) return undefined;
  if (typeof passphrase !== 'string' && !isUint8Array(passphrase)) {
    throw invalid('The passphrase must be text or a Uint8Array.');
  }
  const bytes =
    typeof passphrase === 'string'
      ? new TextEncoder().encode(passphrase.normalize('NFC'))
      : Uint8Array.from(passphrase);
  if (bytes.byteLength === 0) throw invalid('The passphrase is empty.');
  if (bytes.byteLength > MIB) throw invalid('The passphrase is longer than 1 MiB.');
  return bytes;
}

/** The engine's init options. `local`: the defaults of local disk. */
export function initOptions(options: InitOptions, local: boolean): Record<string, unknown> {
  // A variable that is not set must not give a repository that everybody can read.
  if (Object.hasOwn(options, 'passphrase') && options.passphrase === undefined) {
    throw invalid('The passphrase is undefined. Leave it out for a repository without encryption.');
  }
  const { kdf } = options;
  const packSize = whole('packSize', options.packSize ?? (local ? 16 : 32) * MIB, 65_536, 256 * MIB);
  if (options.chunkId !== undefined && !['blake3', 'sha256'].includes(options.chunkId)) {
    throw invalid("chunkId must be 'blake3' or 'sha256'.");
  }
  return {
    compression: compression(options.compression ?? 'zstd'),
    chunking: chunking(options.chunking),
    chunkId: options.chunkId ?? 'blake3',
    packSize,
    parity: parity(options.parity, local),
    ...(kdf !== undefined && { kdf: kdfCost(kdf) }),
  };
}

function chunking(
  chosen: InitOptions['chunking'] = { min: 65_536, average: 262_144, max: 1_048_576 },
): Record<string, number> {
  const { min, average, max } = chosen;
  for (const [name, value] of Object.entries({ min, average, max })) whole(`chunking.${name}`, value, 256, 16 * MIB);
  if (!(min < average && average < max)) {
    throw invalid('chunking: min must be less than average, and average less than max.');
  }
  return { min, average, max };
}

function parity(chosen: InitOptions['parity'], local: boolean): { data: number; parity: number } | null {
  const scheme = chosen ?? (local && { data: 17, parity: 3 });
  if (scheme === false) return null;
  return {
    data: whole('parity.data', scheme.data, 1, 64),
    parity: whole('parity.parity', scheme.parity, 1, 8),
  };
}

/** The engine's form of a key derivation's cost. */
export function kdfCost(kdf: NonNullable<InitOptions['kdf']>): Record<string, number> {
  return {
    memoryKiB: whole('kdf.memoryKiB', kdf.memoryKiB, 65_536, 4_194_304),
    iterations: whole('kdf.iterations', kdf.iterations, 3, 64),
    parallelism: whole('kdf.parallelism', kdf.parallelism, 1, 16),
  };
}

function compression(chosen: NonNullable<InitOptions['compression']>): { codec: string; level: number } {
  if (chosen === 'zstd') return { codec: 'zstd', level: 1 };
  if (chosen === 'gzip') return { codec: 'gzip', level: 6 };
  if (chosen === 'none') return { codec: 'none', level: 0 };
  if (typeof chosen === 'object' && (chosen.codec === 'zstd' || chosen.codec === 'gzip')) {
    const [least, most] = chosen.codec === 'zstd' ? [-7, 22] : [1, 12];
    const level = whole('compression.level', chosen.level, least, most);
    if (level === 0) throw invalid('compression.level 0 is not a level; use none.');
    return { codec: chosen.codec, level };
  }
  if ((chosen as unknown) === 'auto') {
    throw new PackvaultError({ code: 'UNSUPPORTED', message: "compression 'auto' does not work yet. Use 'zstd'." });
  }
  throw invalid("compression must be 'zstd', 'gzip', 'none' or { codec, level }.");
}

/** What the calls on a repository of this shape must at least be able to hold, in bytes. */
export function needs(config: {
  readonly packSize: number;
  readonly chunking: { readonly max: number };
  readonly parity: { readonly parity: number } | null;
}): Needs {
  const pack = Math.max(config.packSize, Math.max(config.chunking.max, 327_696) + 4096);
  const rows = config.parity?.parity ?? 0;
  return {
    // A chunk, the range of a pack that holds it, and what is decoded beside it.
    restore: 3 * (config.chunking.max + 65_536),
    // A pack or a parity object, which is read whole.
    verify: Math.ceil(pack * 1.1),
    // One pack being filled, a group's parity, the source, and an eighth to spare.
    write: Math.ceil((8 / 7) * (pack * (1 + rows * 1.02) + 4 * MIB)),
  };
}

// A date, or RFC 3339: a time without its zone would mean another moment on every machine.
const DATE = /^(\d{4}-\d{2}-\d{2})(?:[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2}))?$/;

/** Milliseconds since 1970 of a date filter. */
function dateMs(name: string, value: unknown): number | null {
  if (value === undefined) return null;
  const ms = value instanceof Date ? value.getTime() : rfc3339(value);
  if (!Number.isNaN(ms)) return ms;
  throw invalid(
    `${name} is not a date: ${typeof value === 'string' ? shown(value) : typeof value}. Give a Date, a date like 2026-03-01 (UTC), or a time like 2026-03-01T12:00:00Z.`,
  );
}

function rfc3339(text: unknown): number {
  const day = typeof text === 'string' ? DATE.exec(text)?.[1] : undefined;
  if (typeof text !== 'string' || day === undefined) return Number.NaN;
  // Date.parse takes the 30th of February for the 2nd of March.
  const midnight = Date.parse(day);
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== day) return Number.NaN;
  return Date.parse(text.toUpperCase().replace(' ', 'T'));
}

/** The engine's form of a filter. */
export function snapshotFilter(filter: SnapshotFilter): Record<string, unknown> {
  return {
    tags: checkTags(filter.tags ?? {}),
    after: dateMs('after', filter.after),
    before: dateMs('before', filter.before),
  };
}

/** Tags whose names and values are text. */
export function checkTags(tags: Readonly<Record<string, string>>): Record<string, string> {
  if (typeof tags !== 'object' || tags === null || Array.isArray(tags))
    throw invalid('tags must be an object of names and texts.');
  for (const [name, value] of Object.entries(tags)) {
    if (typeof value !== 'string') throw invalid(`The tag ${shown(name)} is not text.`);
    if (!isUnicode(name) || !isUnicode(value)) throw invalid(`The tag ${shown(name)} is not well-formed Unicode.`);
  }
  return { ...tags };
}

/** Items with names that the format can hold, each once. */
export function checkItems(items: readonly IngestItem[]): void {
  if (!Array.isArray(items) || items.length === 0) throw invalid('There are no items to ingest.');
  const seen = new Set<string>();
  for (const item of items as readonly (Partial<IngestItem> | null)[]) {
    const { name, type = 'stream' } = item ?? {};
    if (typeof name !== 'string' || name === '') throw invalid('Every item needs a name.');
    const bytes = Buffer.byteLength(name);
    if (bytes > 65_535) throw invalid(`An item's name has ${bytes} bytes; 65,535 are the most.`);
    if (name.includes('\0')) throw invalid(`The item name ${shown(name)} holds a NUL.`);
    if (!isUnicode(name)) throw invalid(`The item name ${shown(name)} is not well-formed Unicode.`);
    if (seen.has(name)) throw invalid(`Two items have the name ${shown(name)}.`);
    if (typeof type !== 'string' || !isUnicode(type)) throw invalid(`The type of item ${shown(name)} is not text.`);
    seen.add(name);
  }
}

function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/** Whether UTF-8 can hold a text: a lone half of a surrogate pair becomes something else there. */
function isUnicode(text: string): boolean {
  return Buffer.from(text).toString() === text;
}

/** The engine's form of verify's options. */
export function verifyOptions(options: VerifyOptions): { level: string; sample: number | null } {
  const { level = 'standard', sample } = options;
  if (!['quick', 'standard', 'full'].includes(level)) throw invalid("level must be 'quick', 'standard' or 'full'.");
  if (sample !== undefined && !(typeof sample === 'number' && sample >= 0 && sample <= 1)) {
    throw invalid('sample must be a number from 0 to 1.');
  }
  return { level, sample: sample ?? null };
}
