/** Data for tests: the same seed gives the same bytes on every machine. */
import { createHash } from 'node:crypto';

/** xorshift32: plenty for test data, and a dozen lines. Values are from 0 to 2^32 - 1. */
export function random(seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

/** Bytes that no codec makes smaller. */
export function bytes(seed: number, size: number): Uint8Array {
  const out = new Uint8Array(Math.ceil(size / 4) * 4);
  const words = new Uint32Array(out.buffer);
  const next = random(seed);
  for (let at = 0; at < words.length; at += 1) words[at] = next();
  return out.subarray(0, size);
}

/** Lines that look like a database dump: they compress about six times. */
export function dump(seed: number, size: number): Uint8Array {
  const out = Buffer.alloc(size);
  const next = random(seed);
  for (let at = 0, row = 0; at < size; row += 1) {
    at += out.write(`INSERT INTO t VALUES (${row}, '${next() % 1000}', 'customer ${next() % 97}', NULL);\n`, at);
  }
  return out;
}

/** Parts of `body` of changing sizes from 0 to `most`, as a source may give them. */
export function* parts(body: Uint8Array, seed: number, most = 100_000): Generator<Uint8Array, void, undefined> {
  const next = random(seed);
  for (let at = 0; at < body.byteLength; ) {
    const size = next() % (most + 1);
    yield body.subarray(at, at + size);
    at += size;
  }
}

export function sha256(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex');
}
