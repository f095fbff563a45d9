// Ingest and restore on each real server, at several latencies: speed, requests, memory, and whether latency is hidden.
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { obtain } from '../test/servers/obtain.mjs';
import { CACHE, parseSize, randomFile, sha256 } from './lib/data.mjs';
import { runJob } from './lib/jobs.mjs';
import { programsFor, STORES, startPlace } from './lib/places.mjs';
import { machine, machineLine, median, mebibytes, table } from './lib/report.mjs';

const GIB = 2 ** 30;
/** A restore at the highest latency may take so many times as long as without. */
const MOST = 3;

export const usage = `Usage: npm run bench -- stores [OPTIONS]
Ingest, restore to a stream and to a file on the servers of test/servers, encrypted, defaults of each store, no cache, data that does not
compress. All servers but the local disk are behind Toxiproxy, without latency, too.
  --store s3,azure,gcs,sftp,local   which (default: all)
  --latency 0,30,100                round trip in ms: half of it in each direction
  --size 1GiB
  --rounds 1                        how often each is measured; figures are medians
  --seed 1                          of the data
  --concurrency N, --memory-limit MiB   options of the repository (default: its own)
Exit code 1 if a restore takes more than ${MOST} times as long at the last latency as at the first.`;

export async function run(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      store: { type: 'string', default: STORES.join(',') },
      latency: { type: 'string', default: '0,30,100' },
      size: { type: 'string', default: '1GiB' },
      rounds: { type: 'string', default: '1' },
      seed: { type: 'string', default: '1' },
      concurrency: { type: 'string' },
      'memory-limit': { type: 'string' },
    },
  });
  const stores = values.store.split(',');
  const strange = stores.find((store) => !STORES.includes(store));
  if (strange !== undefined) throw new Error(`There is no store ${strange}: ${STORES.join(', ')}.`);
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  await obtain(programsFor(stores));
  const data = await randomFile(parseSize(values.size), Number(values.seed));
  const options = {
    cache: false,
    ...(values.concurrency && { concurrency: Number(values.concurrency) }),
    ...(values['memory-limit'] && { memoryLimit: Number(values['memory-limit']) * 2 ** 20 }),
  };
  const about = { ...machine(), bytes: data.bytes, rounds: Number(values.rounds), options };
  const latencies = values.latency.split(',').map(Number);
  const runs = [];
  for (let round = 1; round <= about.rounds; round += 1) {
    for (const store of stores) {
      // A folder has no latency to add.
      for (const latency of store === 'local' ? [0] : latencies) {
        console.error(`round ${round}: ${store}, ${latency} ms`);
        runs.push(...(await measure(store, latency, data, options)));
      }
    }
  }
  return print({ ...about, loadAfter: loadavg()[0] }, summarize(runs, data.bytes));
}

async function measure(store, latency, data, options) {
  const folder = await mkdtemp(join(CACHE, 'run-'));
  const place = await startPlace(store, latency, folder);
  Object.assign(process.env, place.env);
  const { location } = place;
  const runs = [];
  const counted = async (name, request) => {
    const before = place.cpu();
    const measured = await runJob({ location, options, counted: true, ...request });
    runs.push({ store, latency, job: name, ...measured, serverCpu: place.cpu() - before });
    console.error(`  ${name}: ${measured.seconds.toFixed(1)} s`);
    return measured.result;
  };
  try {
    await runJob({ job: 'init', location, options });
    const { newChunks } = await counted('ingest', { job: 'ingest', file: data.path });
    const { bytes } = await counted('restore to a stream', { job: 'restoreStream' });
    const to = join(folder, 'restored');
    await counted('restore to a file', { job: 'restoreFile', to });
    const same = newChunks > 0 && bytes === data.bytes && (await sha256(to)) === data.sha256;
    if (!same) throw new Error(`Not to be measured, since it is wrong: ${store} restored something else.`);
    return runs;
  } finally {
    await place.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** One line for each store, job and latency: medians, and the ratio to the first latency. */
function summarize(runs, bytes) {
  const groups = new Map();
  for (const one of runs) {
    const name = `${one.store}/${one.job}/${one.latency}`;
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  const lines = [];
  for (const all of groups.values()) {
    const [{ store, job, latency, requests }] = all;
    const of = (figure) => median(all.map(figure));
    const seconds = of((one) => one.seconds);
    const first = lines.find((line) => line.store === store && line.job === job)?.seconds ?? seconds;
    const { totals } = requests;
    lines.push({
      store,
      job,
      latency,
      seconds,
      rate: bytes / seconds / 1e6,
      ratio: seconds / first,
      cpu: of((one) => one.cpu),
      serverCpu: of((one) => one.serverCpu),
      perGiB: Object.fromEntries(Object.entries(totals).map(([verb, one]) => [verb, (one.requests / bytes) * GIB])),
      inFlight: of((one) => one.requests.seconds / one.seconds),
      mostInFlight: Math.max(...all.map((one) => one.requests.most)),
      memory: Math.max(...all.map((one) => one.memory)),
    });
  }
  return lines;
}

function print(about, lines) {
  const rows = lines.map((line) => [
    line.store,
    line.job,
    `${line.latency}`,
    line.seconds.toFixed(1),
    line.rate.toFixed(0),
    line.ratio.toFixed(2),
    line.cpu.toFixed(1),
    line.serverCpu.toFixed(1),
    Object.entries(line.perGiB)
      .filter(([, count]) => count > 0)
      .map(([verb, count]) => `${Math.round(count)} ${verb}`)
      .join(', '),
    `${line.inFlight.toFixed(1)} (${line.mostInFlight})`,
    mebibytes(line.memory),
  ]);
  const head = [
    'Store',
    'Job',
    'ms',
    'Seconds',
    'MB/s',
    '× first',
    'CPU s',
    'Server CPU s',
    'Requests per GiB',
    'In flight',
    'Peak MiB',
  ];
  const slow = lines.filter(({ job, ratio }) => job.startsWith('restore') && ratio > MOST);
  console.log(`${machineLine(about)}, after ${about.loadAfter.toFixed(2)}
${about.bytes} bytes that do not compress; ${about.rounds} rounds, medians; every restored file was compared. ms: round trip added

${table(head, rows)}
`);
  for (const { store, job, ratio } of slow) console.log(`${store}: ${job} takes ${ratio.toFixed(1)} times as long.`);
  console.log(JSON.stringify({ bench: 'stores', ...about, lines }));
  return slow.length > 0 ? 1 : 0;
}
