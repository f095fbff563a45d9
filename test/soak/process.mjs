// One process of a soak: a writer, a pruner or a reader, over and over, until it is told to stop or is killed. Started by weather.mjs.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { PackvaultError, Repository } from '../../dist/index.js';
import { below, body, bodyOf, Journal, kept, random, readJournals } from './content.mjs';
import { OPTIONS, openStore } from './store.mjs';

/** Milliseconds that a source may take between two parts; most take none. */
const SLOW_MS = 400;
/** Calls before a process opens the repository anew. */
const CALLS = 12;

const { role, name, seed, location, folder } = JSON.parse(process.env.PACKVAULT_SOAK);
const next = random(seed, name);
const trace = join(folder, 'log', `${name}.log`);
const journals = join(folder, 'journal');
const journal = new Journal(journals, name);
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());

function say(text) {
  appendFileSync(trace, `${new Date().toISOString()} # ${text}\n`);
}

/** Whether an error is one of these, which the documents name; any other ends the soak. */
function expected(error, ...codes) {
  if (!PackvaultError.is(error) || !codes.includes(error.code)) throw error;
  say(`${error.code}: ${error.message}`);
  journal.append({ what: error.code });
}

async function* slowly(bytes) {
  for (let at = 0; at < bytes.length; at += 100_000) {
    yield bytes.subarray(at, at + 100_000);
    await wait(next() * SLOW_MS);
  }
}

let backups = 0;

async function write(repository) {
  const number = backups;
  backups += 1;
  const tags = { writer: name, number: String(number), keep: next() < 0.5 ? 'yes' : 'no' };
  const bytes = body(seed, name, number);
  say(`ingest ${number}`);
  try {
    const { id } = await repository.ingest(next() < 0.3 ? slowly(bytes) : bytes, { tags });
    journal.append({ what: 'backup', id, tags });
    say(`acknowledged ${number} as ${id}`);
  } catch (error) {
    expected(error, 'CONFLICT');
  }
}

async function prune(repository) {
  // Acknowledged before the prune began: it must see them.
  const before = kept(readJournals(journals));
  say('prune');
  try {
    const { removedSnapshots, keptSnapshots } = next() < 0.6 ? await byPolicy(repository) : await byName(repository);
    const missed = before.find(({ id }) => !keptSnapshots.includes(id));
    if (missed !== undefined) throw new Error(`Snapshot ${missed.id} was acknowledged, and a prune does not know it.`);
    journal.append({ what: 'prune', removedSnapshots });
    say(`pruned: ${removedSnapshots} removed, ${keptSnapshots.length} kept`);
  } catch (error) {
    expected(error, 'CONFLICT', 'NOT_FOUND');
  }
  await wait(next() * 1_000);
}

async function byPolicy(repository) {
  const policy = { keepLast: 1 + below(next, 6), keepTags: [{ keep: 'yes' }] };
  return repository.prune(policy, { maxUnused: next() < 0.5 ? 0 : 0.1 });
}

async function byName(repository) {
  const all = await repository.listSnapshots({ tags: { keep: 'no' } });
  const ids = all.filter(() => next() < 0.4).map(({ id }) => id);
  return ids.length === 0 ? byPolicy(repository) : repository.forget(ids);
}

async function read(repository) {
  const before = kept(readJournals(journals));
  say('read');
  const all = await repository.listSnapshots();
  const known = new Set(all.map(({ id }) => id));
  const missed = before.find(({ id }) => !known.has(id));
  if (missed !== undefined) throw new Error(`Snapshot ${missed.id} was acknowledged and is not listed.`);
  // One whose writer died may be void by now; of the others none may be lost.
  const sure = new Set(before.map(({ id }) => id));
  for (let turn = 0; turn < 3 && all.length > 0; turn += 1) {
    const chosen = all[below(next, all.length)];
    await restore(repository, chosen, sure.has(chosen.id));
  }
  if (next() < 0.3) await verify(repository);
}

async function restore(repository, { id, tags }, sure) {
  say(`restore ${id}`);
  try {
    const parts = [];
    for await (const part of await repository.restore(id)) parts.push(part);
    if (!Buffer.concat(parts).equals(bodyOf(seed, tags))) throw new Error(`Snapshot ${id} restores to other bytes.`);
    journal.append({ what: 'restore' });
  } catch (error) {
    if (sure) throw error;
    expected(error, 'NOT_FOUND', 'CONFLICT');
  }
}

async function verify(repository) {
  const level = ['quick', 'standard', 'full'][below(next, 3)];
  say(`verify ${level}`);
  try {
    const { ok, errors } = await repository.verify({ level });
    if (!ok) throw new Error(`verify ${level} beside the others found ${JSON.stringify(errors)}`);
    journal.append({ what: 'verify' });
  } catch (error) {
    expected(error, 'CONFLICT');
  }
}

const TURN = { writer: write, pruner: prune, reader: read }[role];

async function session() {
  // Half of the prunes see a store by whose clock everything is three days old, so that packs of running backups look like orphans.
  const days = role === 'pruner' && next() < 0.5 ? 3 : 0;
  const cache = next() < 0.5 ? false : join(folder, 'cache');
  const store = await openStore(location, { trace, days });
  const repository = await Repository.open(store, { ...OPTIONS, cache });
  for (let call = 0; call < CALLS && !stop.signal.aborted; call += 1) await TURN(repository);
  await repository.close();
  await store[Symbol.asyncDispose]();
}

try {
  while (!stop.signal.aborted) await session();
} catch (error) {
  say(`failed: ${error.stack}\n${JSON.stringify({ ...error, cause: String(error.cause) })}`);
  console.error(`${name}: ${error.stack ?? error}`);
  process.exitCode = 1;
}
