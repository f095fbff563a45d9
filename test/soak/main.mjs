// `npm run soak -- --minutes N [--store local|s3] [--seed S]`: writers, pruners and a reader, as real processes that are killed and paused,
// on one repository; then all that was acknowledged is restored and compared. Exit code 1, and all of it kept, if anything is wrong.
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Repository } from '../../dist/index.js';
import { isAvailable, startMinio } from '../servers/index.mjs';
import { obtain } from '../servers/obtain.mjs';
import { bodyOf, kept, readJournals } from './content.mjs';
import { PLANTS, SHAPE, settle } from './settle.mjs';
import { Weather } from './weather.mjs';

const CACHE = fileURLToPath(new URL('../../.cache/soak/', import.meta.url));
const USAGE = `Usage: npm run soak -- [OPTIONS]
  --minutes 1      how long the processes run; then the repository is checked
  --store local    or s3: MinIO, a process of its own
  --seed 1         decides what is backed up, and who is killed and paused when
  --plant NAME     harms the repository before it is checked (${Object.keys(PLANTS).join(', ')}): the run must fail`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    store: { type: 'string', default: 'local' },
    seed: { type: 'string', default: '1' },
    plant: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const minutes = Number(values.minutes);
const plant = values.plant === undefined ? undefined : PLANTS[values.plant];

if (values.help || !(minutes > 0) || !['local', 's3'].includes(values.store) || (values.plant && !plant)) {
  console.error(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else process.exitCode = await main();

async function main() {
  const folder = join(CACHE, `${values.store}-${values.seed}-${process.pid}`);
  for (const part of ['journal', 'log']) mkdirSync(join(folder, part), { recursive: true });
  console.error(`seed ${values.seed}, ${minutes} minutes on ${values.store}, in ${folder}`);
  const store = values.store === 's3' ? await s3() : { location: join(folder, 'repository') };
  try {
    const summary = await soak(store.location, folder);
    rmSync(folder, { recursive: true });
    console.log(`soak: ${sentence(summary)}`);
    console.log(JSON.stringify({ soak: values.store, seed: values.seed, minutes, ...summary }));
    return 0;
  } catch (error) {
    if (store.server && existsSync(store.server.data))
      cpSync(store.server.data, join(folder, 'store'), { recursive: true });
    console.error(`soak: FAILED with seed ${values.seed}: ${error.message}
Kept in ${folder}: journal/ (what was acknowledged), log/ (each process's calls and requests; weather.log), the store's objects.`);
    return 1;
  } finally {
    await store.server?.stop();
  }
}

async function s3() {
  await obtain(['minio']);
  if (!isAvailable('minio')) throw new Error('There is no S3 server.');
  const server = await startMinio();
  const { accessKeyId, secretAccessKey } = server.credentials;
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  });
  return { server, location: `s3:${server.url}/${await server.createBucket()}/soak` };
}

async function soak(location, folder) {
  const { seed } = values;
  // On S3 parity is off by default: there a lost pack is lost.
  const parity = values.store === 'local' && { data: 4, parity: 2 };
  await (await Repository.init(location, { ...SHAPE, parity, cache: false })).close();
  const weather = new Weather({ seed, location, folder });
  await weather.blow(minutes * 60_000);
  if (weather.failures.length > 0) throw new Error(weather.failures.join('\n'));
  const entries = readJournals(join(folder, 'journal'));
  await plant?.(location, victimOf(entries));
  const restored = await settle({ seed, location, entries, folder });
  const count = (...what) => entries.filter((entry) => what.includes(entry.what)).length;
  return {
    acknowledged: count('backup'),
    prunes: count('prune'),
    ...weather.counts,
    conflicts: count('CONFLICT'),
    gone: count('NOT_FOUND'),
    restoredBeside: count('restore'),
    verified: count('verify'),
    restored,
  };
}

/** An acknowledged backup that is large enough to have packs of its own. */
function victimOf(entries) {
  const found = kept(entries).find(({ tags }) => bodyOf(values.seed, tags).length > 200_000);
  if (found === undefined) throw new Error('No backup was acknowledged that could be harmed: give it more minutes.');
  return found;
}

function sentence({ acknowledged, prunes, kills, pauses, conflicts, gone, restoredBeside, verified, restored }) {
  return `${acknowledged} backups acknowledged, ${prunes} prunes, ${kills} kills, ${pauses} pauses, ${conflicts} conflicts, ${gone} times a snapshot was gone; beside them ${restoredBeside} restores and ${verified} verifies; at the end ${restored} snapshots restored and compared, verify ok, nothing left over`;
}
