// What the programs share.

/** What the test gave: JSON on standard input. */
export async function input() {
  const parts = [];
  for await (const part of process.stdin) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString());
}

/** Bytes of a seed (xorshift32) that no codec makes smaller. */
export function noise(seed, size) {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  for (let at = 0; at < words.length; at += 1) {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    words[at] = state;
  }
  return Buffer.from(words.buffer, 0, size);
}
