/** Lies about bytes, sizes and ranges. */
import type { GetOptions } from '../../../src/core/backend.ts';
import { type Lie, lie, lieAbout, refuse, sizeThere, turn } from './lie.ts';

const NOTHING = new Uint8Array(0);

/** A lie of get: other bytes, or `undefined` for the truth. */
function lieOfGet(
  fails: string,
  what: string,
  get: (
    options: GetOptions & { readonly size: number },
    read: (options?: GetOptions) => Promise<Uint8Array>,
  ) => Promise<Uint8Array | undefined> | Uint8Array | undefined,
): Lie {
  return lie(fails, what, (honest) => ({
    async get(key, options = {}) {
      const size = await sizeThere(honest, key);
      const read = async (other?: GetOptions): Promise<Uint8Array> => honest.get(key, other);
      return (await get({ ...options, size }, read)) ?? honest.get(key, options);
    },
  }));
}

const objects: readonly Lie[] = [
  lieOfGet('an empty object is stored and read back', 'an empty object has more than 0 bytes', ({ maxBytes, size }) => {
    if (maxBytes === 0 && size === 0) throw refuse('RANGE_INVALID');
    return undefined;
  }),
  lieOfGet(
    'a large object is read back',
    'a range of more than 400,000 bytes is short',
    async ({ length = 0 }, read) => (length === 500_000 ? read({ offset: 0, length: 400_000 }) : undefined),
  ),
  lie('the largest object is stored and read back', 'the end of a body that needs a third part is lost', (honest) => ({
    async put(key, body, options) {
      await honest.put(key, body.buffer.byteLength > 1_500_000 ? body.subarray(0, 1_500_000) : body, options);
    },
  })),
  lie(
    'a body of more than maxObjectSize bytes is INVALID_ARGUMENT, and nothing is stored',
    'a body that is too long is cut',
    (honest) => ({
      async put(key, body, options) {
        const fits = body.byteLength <= honest.capabilities.maxObjectSize;
        await honest.put(key, fits ? body : NOTHING, options);
      },
    }),
  ),
];

const ranges: readonly Lie[] = [
  lieOfGet(
    'a range gives exactly its bytes',
    'the end of a range is inclusive',
    async ({ offset, length = 0, size }, read) =>
      offset === 0 && length > 0 && length < 1_000 && size === 1_000 ? read({ offset, length: length + 1 }) : undefined,
  ),
  lieOfGet('a range gives the last byte', 'the last byte is behind the end', ({ offset = 0, length, size }) => {
    if (length === 1 && offset === size - 1) throw refuse('RANGE_INVALID');
    return undefined;
  }),
  lieOfGet(
    'a range without a length goes to the end',
    'a range without a length forgets the last byte',
    async ({ offset, length }, read) =>
      offset === 1 && length === undefined ? (await read({ offset })).slice(0, -1) : undefined,
  ),
  lieOfGet(
    'a range without an offset begins at the start',
    'a range without an offset is the end',
    async ({ offset, length = 0, size }, read) =>
      offset === undefined && length > 0 ? read({ offset: size - length, length }) : undefined,
  ),
  lieOfGet(
    'a range that begins at the end is RANGE_INVALID',
    'a range that begins at the end is empty',
    ({ offset, length, size }) => (size > 0 && offset === size && length !== 0 ? NOTHING : undefined),
  ),
  lieOfGet(
    'a range that begins behind the end is RANGE_INVALID',
    'a range that begins behind the end is empty',
    ({ offset = 0, size }) => (size > 0 && offset > size ? NOTHING : undefined),
  ),
  lieOfGet(
    'a range that ends behind the end is RANGE_INVALID, not clipped',
    'a range is clipped',
    async ({ offset = 0, length = 0, size }, read) =>
      offset < size && offset + length > size && length <= 10_000 ? read({ offset }) : undefined,
  ),
  lieOfGet('a range of no bytes is RANGE_INVALID', 'a range of no bytes is empty', ({ length }) =>
    length === 0 ? NOTHING : undefined,
  ),
  lieOfGet('a range of an empty object is RANGE_INVALID', 'a range of an empty object is empty', ({ offset, size }) =>
    size === 0 && offset !== undefined ? NOTHING : undefined,
  ),
  lieOfGet(
    'a range that is not in whole bytes is INVALID_ARGUMENT',
    'an offset below 0 counts from the end',
    async ({ offset = 0, length }, read) => (offset < 0 ? read({ offset: 1_000 + offset, length }) : undefined),
  ),
  lieOfGet('an object or a range of maxBytes is read', 'maxBytes is exclusive', ({ length, maxBytes = 0, size }) => {
    if (maxBytes > 0 && (length ?? size) === maxBytes) throw refuse('RANGE_INVALID');
    return undefined;
  }),
  lieOfGet(
    'an object or a range of more than maxBytes is RANGE_INVALID',
    'maxBytes is ignored',
    async ({ offset, length, maxBytes = 0, size }, read) =>
      maxBytes > 0 && size > 0 ? read({ offset, length }) : undefined,
  ),
  lieAbout('ranges of a large object, many at once, give exactly their bytes', 'answers to ranges are swapped', () => {
    let before: Uint8Array | undefined;
    return (honest) => ({
      async get(key, options = {}) {
        const bytes = await honest.get(key, options);
        if (options.length === undefined || bytes.byteLength < 10_000) return bytes;
        const mine = before?.byteLength === bytes.byteLength ? before : bytes;
        before = bytes;
        await turn();
        return mine;
      },
    });
  }),
];

const others: readonly Lie[] = [
  lie('an object that is not there is NOT_FOUND', 'a range of what is not there is RANGE_INVALID', (honest) => ({
    async get(key, options = {}) {
      if (options.offset === 10 && (await sizeThere(honest, key)) < 0) throw refuse('RANGE_INVALID', key);
      return honest.get(key, options);
    },
  })),
  lie('stat tells key, size and a sane time', 'an empty object has a size of 1', (honest) => ({
    async stat(key, options) {
      const info = await honest.stat(key, options);
      return { ...info, size: Math.max(info.size, 1) };
    },
  })),
  lie('stat tells key, size and a sane time', 'objects are as old as the epoch', (honest) => ({
    async stat(key, options) {
      return { ...(await honest.stat(key, options)), modifiedAt: new Date(0) };
    },
  })),
];

export const readLies: readonly Lie[] = [...objects, ...ranges, ...others];
