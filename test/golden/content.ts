/** Bytes from a seed, so that a golden repository can be made again and its content told from its recipe. */
import { createHash } from 'node:crypto';

const BLOCK = 32;
const WORDS = 'insert into orders values null update customers set where total begin commit index select'.split(' ');

/** Bytes that no codec makes smaller: SHA-256 of seed and counter, one block after the other. */
export function noise(seed: string, size: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(size / BLOCK) }, (_, i) =>
    createHash('sha256').update(`${seed}/${i}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, size);
}

/** Text that compresses about three to one, and never repeats itself for long. */
export function text(seed: string, size: number): Buffer {
  const choices = noise(seed, size);
  const parts: string[] = [];
  for (let length = 0, i = 0; length < size; i += 1) {
    const choice = choices[i] ?? 0;
    const word = choice < 32 ? `${choice * i}\n` : `${WORDS[choice % WORDS.length]} `;
    parts.push(word);
    length += word.length;
  }
  return Buffer.from(parts.join('')).subarray(0, size);
}

/** The same bytes again and again: many chunk references to few chunks. */
export function repeated(part: Buffer, size: number): Buffer {
  return Buffer.alloc(size, part);
}

/** A copy with bytes put in at a place and as many taken out behind it. */
export function edited(base: Buffer, at: number, insertion: string): Buffer {
  const added = Buffer.from(insertion);
  return Buffer.concat([base.subarray(0, at), added, base.subarray(at + added.length)]);
}
