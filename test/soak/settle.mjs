// What must hold when the weather is over, and faults that can be planted before, to show that it is looked for.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Repository } from '../../dist/index.js';
import { MemoryBackend, RecordBackend } from '../../dist/testing/index.js';
import { bodyOf, kept } from './content.mjs';
import { OPTIONS, openStore } from './store.mjs';

/** Shape of the repository: small, so that there are many packs, and groups of them. */
export const SHAPE = {
  ...OPTIONS,
  packSize: 262_144,
  chunking: { min: 4_096, average: 16_384, max: 65_536 },
  kdf: { memoryKiB: 65_536, iterations: 3, parallelism: 1 },
};
/** An orphan is seen in one round and condemned in a later one; a round more shows that there is nothing left to do. */
const ROUNDS = 4;
/** Snapshots that stay for the comparison with a new repository of the same contents. */
const COMPARED = 40;
/** A chunk that begins in one backup's block and ends in another's is counted differently where boundaries are. */
const TOLERANCE = 1.1;

/** Ways to harm the repository at `location`, given an acknowledged backup: each must be found. */
export const PLANTS = {
  /** A pack of the snapshot is gone. */
  async pack(location, { id }) {
    const { packs } = await objectsOf(location, id);
    await remove(location, packs.slice(0, 1));
  },
  /** Both copies of the snapshot are gone. */
  async snapshot(location, { id }) {
    const { snapshots } = await objectsOf(location, id);
    await remove(location, snapshots);
  },
  /** The snapshot is said to hold something else. */
  async bytes(_location, entry) {
    entry.tags = { ...entry.tags, number: String(Number(entry.tags.number) + 1_000) };
  },
};

async function objectsOf(location, id) {
  const store = new RecordBackend(await openStore(location));
  const repository = await Repository.open(store, { ...OPTIONS, cache: false });
  await collect(await repository.restore(id));
  const packs = store.log.filter(({ verb, key }) => verb === 'get' && key.startsWith('packs/')).map(({ key }) => key);
  await repository.close();
  const snapshots = (await keysOf(store, 'snapshots/')).filter((key) => key.includes(id));
  await store[Symbol.asyncDispose]();
  return { packs, snapshots };
}

async function remove(location, keys) {
  if (keys.length === 0) throw new Error('There is nothing to remove: the fault can not be planted.');
  const store = await openStore(location);
  await store.delete(keys);
  await store[Symbol.asyncDispose]();
}

async function keysOf(store, prefix) {
  const keys = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

function check(condition, what) {
  if (!condition) throw new Error(what);
}

/** Compares, verifies and prunes what is left. Throws where something is lost, wrong, or left over. */
export async function settle({ seed, location, entries, folder }) {
  // A store that is looked at three days later: orphans are old enough to go.
  const store = await openStore(location, { trace: join(folder, 'log', 'settle.log'), days: 3 });
  const repository = await Repository.open(store, { ...OPTIONS, cache: false });
  try {
    const restored = await compare(repository, seed, entries);
    const { ok, errors } = await repository.verify({ level: 'full' });
    check(ok, `verify found ${JSON.stringify(errors)}`);
    await converge(repository, store);
    await nothingLeftOver(repository, seed);
    return restored;
  } finally {
    await repository.close();
    await store[Symbol.asyncDispose]();
    await rm(join(folder, 'cache'), { recursive: true, force: true });
  }
}

/** Every acknowledged backup that had to stay, and every snapshot that is listed, whether acknowledged or not. */
async function compare(repository, seed, entries) {
  const listed = await repository.listSnapshots();
  const ids = new Set(listed.map(({ id }) => id));
  check(ids.size === listed.length, 'A snapshot is listed twice.');
  for (const { id } of kept(entries)) check(ids.has(id), `Snapshot ${id} was acknowledged and is lost.`);
  const known = new Map(entries.filter(({ id }) => id !== undefined).map((entry) => [entry.id, entry]));
  for (const { id, tags } of listed) {
    const bytes = await collect(await repository.restore(id));
    check(bytes.equals(bodyOf(seed, known.get(id)?.tags ?? tags)), `Snapshot ${id} restores to other bytes.`);
  }
  return listed.length;
}

async function converge(repository, store) {
  const ids = (await repository.listSnapshots()).map(({ id }) => id);
  const surplus = ids.slice(COMPARED);
  if (surplus.length > 0) await repository.forget(surplus, { maxUnused: 0 });
  let last;
  for (let round = 0; round < ROUNDS; round += 1) {
    last = await repository.prune({ keepTags: [{ keep: 'yes' }, { keep: 'no' }] }, { maxUnused: 0 });
  }
  const { removedSnapshots, removedPacks, freedBytes } = last;
  check(removedSnapshots + removedPacks + freedBytes === 0, `prune does not converge: ${JSON.stringify(last)}`);
  const { packs } = await repository.stats();
  const stored = (await keysOf(store, 'packs/data/')).length;
  check(stored === packs, `${stored} packs are stored, and the index names ${packs}.`);
  const { ok, errors } = await repository.verify({ level: 'full' });
  check(ok, `After the last prune, verify found ${JSON.stringify(errors)}`);
}

/** What is stored is not more than a new repository needs for the same snapshots. */
async function nothingLeftOver(repository, seed) {
  const fresh = await Repository.init(new MemoryBackend(), { ...SHAPE, parity: false, cache: false });
  try {
    for (const { id, tags } of await repository.listSnapshots()) {
      const bytes = await collect(await repository.restore(id));
      check(bytes.equals(bodyOf(seed, tags)), `After the last prune, snapshot ${id} restores to other bytes.`);
      await fresh.ingest(bytes);
    }
    const [{ storedBytes }, { storedBytes: least }] = [await repository.stats(), await fresh.stats()];
    check(storedBytes <= least * TOLERANCE, `${storedBytes} bytes are stored; a new repository takes ${least}.`);
  } finally {
    await fresh.close();
  }
}
