/** Lies about listings. */
import type { ListOptions, ObjectInfo } from '../../../src/core/backend.ts';
import { infosOf, keysOf } from '../../../src/testing/expect.ts';
import { changed, type Lie, lie, lieAbout, refuse } from './lie.ts';

type Listing = (prefix: string, options?: ListOptions) => AsyncIterable<ObjectInfo>;

/** A lie of list, told by what the honest store lists. */
function lieOfList(fails: string, what: string, tell: (honest: Listing) => Listing): Lie {
  return lie(fails, what, (honest) => {
    const lying = tell((prefix, options) => honest.list(prefix, options));
    return {
      async *list(prefix, options) {
        options?.signal?.throwIfAborted();
        for await (const info of lying(prefix, options)) {
          yield info;
          options?.signal?.throwIfAborted();
        }
      },
    };
  });
}

function bySegments(left: ObjectInfo, right: ObjectInfo): number {
  const [one, two] = [left.key.split('/'), right.key.split('/')];
  const at = one.findIndex((segment, index) => segment !== two[index]);
  return (one[at] ?? '') < (two[at] ?? '') ? -1 : 1;
}

const choosing: readonly Lie[] = [
  lieAbout('an empty store lists nothing', 'a store that never had an object does not exist', () => {
    let isThere = false;
    return (honest) => ({
      async put(key, body, options) {
        isThere = true;
        await honest.put(key, body, options);
      },
      async *list(prefix, options) {
        if (!isThere && prefix === '') throw refuse('NOT_FOUND');
        yield* honest.list(prefix, options);
      },
    });
  }),
  lieOfList(
    'a prefix that no object has lists nothing',
    'a prefix without objects loses its last slash',
    (honest) =>
      async function* (prefix, options) {
        const infos = await infosOf(honest(prefix, options));
        yield* infos.length === 0 && prefix.endsWith('/x/') ? honest(prefix.slice(0, -1), options) : infos;
      },
  ),
  lieOfList(
    'a prefix that is a folder lists what is in it',
    'the slash at the end of a prefix is ignored',
    (honest) =>
      async function* (prefix, options) {
        const infos = await infosOf(honest(prefix, options));
        yield* infos.length > 0 && options?.startAfter === undefined
          ? honest(prefix.replace(/\/$/, ''), options)
          : infos;
      },
  ),
  lieOfList(
    'a prefix may end in the middle of a segment',
    'a prefix is a folder or a key',
    (honest) => (prefix, options) =>
      changed(honest(prefix, options), (infos) =>
        infos.filter(
          ({ key }) => prefix === '' || prefix.endsWith('/') || key === prefix || key[prefix.length] === '/',
        ),
      ),
  ),
  lieOfList(
    'keys are in ascending order of their bytes',
    'folders are walked one after the other',
    (honest) => (prefix, options) => changed(honest(prefix, options), (infos) => infos.toSorted(bySegments)),
  ),
  lieOfList(
    'startAfter begins behind a key that is there',
    'startAfter is inclusive',
    (honest) => (prefix, options) =>
      changed(honest(prefix, { startAfter: options?.startAfter?.replace(/[a-z0-9/-]/g, '') }), (infos) =>
        infos.filter(({ key }) =>
          prefix === '' ? key >= (options?.startAfter ?? '') : key > (options?.startAfter ?? ''),
        ),
      ),
  ),
  lieOfList(
    'startAfter need not be a key that is there',
    'startAfter is looked up',
    (honest) =>
      async function* (prefix, options) {
        const { startAfter = 'A' } = options ?? {};
        if (startAfter === 'A' || (await keysOf(honest(''))).includes(startAfter)) yield* honest(prefix, options);
      },
  ),
  lieOfList(
    'startAfter may lie outside the prefix',
    'a startAfter outside the prefix is ignored',
    (honest) => (prefix, options) =>
      honest(prefix, options?.startAfter?.startsWith(prefix) === true ? options : { signal: options?.signal }),
  ),
  lieOfList(
    'a prefix that no key can begin with is INVALID_ARGUMENT',
    'any prefix will do',
    (honest) => (prefix, options) =>
      changed(honest('', options), (infos) => infos.filter(({ key }) => key.startsWith(prefix))),
  ),
];

const long: readonly Lie[] = [
  lieOfList(
    'a long listing gives every key once, in order',
    'a listing has 1,000 objects at most',
    (honest) => (prefix, options) =>
      changed(honest(prefix, options), (infos) => (options?.startAfter === undefined ? infos.slice(0, 1_000) : infos)),
  ),
  lieOfList(
    'a long listing goes on behind startAfter, over all of its pages',
    'the second page begins at the start',
    (honest) => (prefix, options) =>
      changed(honest(prefix, options), (infos) =>
        options?.startAfter === undefined || infos.length < 1_000
          ? infos
          : [...infos.slice(0, 1_000), ...infos.slice(0, 9)],
      ),
  ),
  lieAbout(
    'a listing that is left early can be taken up again behind its last key',
    'a listing that is left early loses an object',
    () => {
      let lost = 0;
      return (honest) => ({
        async *list(prefix, options) {
          options?.signal?.throwIfAborted();
          let left = 1;
          try {
            const infos = await infosOf(honest.list(prefix, options));
            for (const info of infos.slice(lost)) {
              yield info;
              options?.signal?.throwIfAborted();
            }
            left = 0;
          } finally {
            lost = left;
          }
        },
      });
    },
  ),
  lieAbout('two listings at once do not disturb each other', 'listings share a cursor', () => {
    let open = 0;
    return (honest) => ({
      async *list(prefix, options) {
        open += 1;
        try {
          let at = 0;
          for await (const info of honest.list(prefix, options)) {
            at += 1;
            if (open < 2 || at % 2 === 1) yield info;
          }
        } finally {
          open -= 1;
        }
      },
    });
  }),
  lieOfList(
    'what stays is listed once while objects come and go',
    'a listing counts from the start for each object',
    (honest) =>
      async function* (prefix, options) {
        let infos = await infosOf(honest(prefix, options));
        for (let at = 0; at < infos.length; at += 1) {
          yield infos[at] as ObjectInfo;
          if (infos.length < 200) infos = await infosOf(honest(prefix, options));
        }
      },
  ),
  lieOfList(
    'a listing tells size and time of each object',
    'sizes are in blocks of 512 bytes',
    (honest) => (prefix, options) =>
      changed(honest(prefix, options), (infos) =>
        infos.map((info) => (info.size < 5_000 ? { ...info, size: Math.ceil(info.size / 512) * 512 } : info)),
      ),
  ),
];

export const listLies: readonly Lie[] = [...choosing, ...long];
