// What the processes of a soak agree on: what a snapshot holds, told by its number, and the journals of what was acknowledged.
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const BLOCK = 40_000;
const SHARED_BLOCKS = 40;
/** Backups of one writer before the blocks that they share begin to be others. */
const GENERATION = 4;

/** Numbers from 0 to 1, the same for the same words (xorshift32 of their hash). */
export function random(...words) {
  let state = createHash('sha256').update(words.join(' ')).digest().readUInt32LE() || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** A whole number below `count`. */
export function below(next, count) {
  return Math.floor(next() * count);
}

function block(next) {
  const out = Buffer.alloc(BLOCK);
  for (let at = 0; at < BLOCK; at += 4) out.writeUInt32LE(Math.floor(next() * 2 ** 32), at);
  return out;
}

/**
 * The bytes of a backup, 0 to 2 MB: three quarters are blocks that other backups of about the same time have, too, so that a pack outlives
 * some of its chunks. `number` counts the backups of one process.
 */
export function body(seed, writer, number) {
  const next = random(seed, writer, number);
  const newest = Math.floor(number / GENERATION) * 8;
  const blocks = Array.from({ length: below(next, 50) }, (_, at) =>
    next() < 0.75
      ? block(random(seed, 'shared', newest + below(next, SHARED_BLOCKS)))
      : block(random(seed, writer, number, at)),
  );
  return Buffer.concat(blocks).subarray(below(next, 1_000));
}

/** Bytes of the snapshot that has these tags. */
export function bodyOf(seed, { writer, number }) {
  return body(seed, writer, Number(number));
}

/** A line of a journal, on disk when this returns. */
export class Journal {
  #file;

  constructor(folder, name) {
    this.#file = openSync(join(folder, `${name}.jsonl`), 'a');
  }

  append(entry) {
    writeSync(this.#file, `${JSON.stringify(entry)}\n`);
    fsyncSync(this.#file);
  }

  close() {
    closeSync(this.#file);
  }
}

/** All that any process wrote down. A last line that a kill cut short counts for nothing. */
export function readJournals(folder) {
  return readdirSync(folder)
    .toSorted()
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1))
    .map((line) => JSON.parse(line));
}

/** Entries of backups that were acknowledged and that nobody may remove. */
export function kept(entries) {
  return entries.filter(({ what, tags }) => what === 'backup' && tags.keep === 'yes');
}
