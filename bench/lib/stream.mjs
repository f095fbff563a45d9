// A stream of any length, from a file of less.
import { createReadStream } from 'node:fs';
import { crc32 } from 'node:zlib';

/**
 * `bytes` bytes: the file again and again, each time with every byte XORed with another constant. That leaves compression as it
 * is, and makes all chunks new. `sum.crc` is the CRC-32 of what was given.
 */
export async function* pieces(file, bytes, sum) {
  let left = bytes;
  for (let pass = 0; left > 0; pass += 1) {
    for await (const part of createReadStream(file, { highWaterMark: 1 << 20, end: left - 1 })) {
      if (pass > 0) disguise(part, pass);
      sum.crc = crc32(part, sum.crc);
      left -= part.length;
      yield part;
    }
  }
}

function disguise(part, pass) {
  const constant = pass % 256;
  const aligned = part.length & ~3;
  const words = new Int32Array(part.buffer, part.byteOffset, aligned >> 2);
  const word = constant * 0x01010101;
  for (let at = 0; at < words.length; at += 1) words[at] ^= word;
  for (let at = aligned; at < part.length; at += 1) part[at] ^= constant;
}
