// Peak memory while a long stream passes through: it must stay under memoryLimit + 100 MiB, however long the stream.
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CACHE, ownFile, parseSize, systemTar } from './lib/data.mjs';
import { runJob } from './lib/jobs.mjs';
import { machine, machineLine, mebibytes, table } from './lib/report.mjs';

const MIB = 2 ** 20;
const ALLOWANCE = 100 * MIB;
const PARTS = 5;

export const usage = `Usage: npm run bench -- memory [OPTIONS]
Streams data through ingest, restore and verify, each in a process of its own, and samples its resident memory.
  --size 10GB          length of the stream
  --data FILE          the data to make it of (default: the 2 GB of system files that "local" makes)
  --memory-limit 256   MiB, the option of the repository
Exit code 1 if a process needed more than the limit and 100 MiB.`;

export async function run(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      size: { type: 'string', default: '10GB' },
      data: { type: 'string' },
      'memory-limit': { type: 'string', default: '256' },
    },
  });
  const bytes = parseSize(values.size);
  const limit = Number(values['memory-limit']) * MIB;
  const { path } = values.data === undefined ? await systemTar(Math.min(bytes, 2e9), 1) : await ownFile(values.data);
  const about = { ...machine(), bytes, memoryLimit: limit };
  const work = await mkdtemp(join(CACHE, 'run-'));
  try {
    const jobs = await measure(work, path, bytes, limit);
    return print({ ...about, loadAfter: loadavg()[0] }, jobs);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function measure(work, file, bytes, limit) {
  const location = join(work, 'repository');
  const options = { cache: join(work, 'cache'), memoryLimit: limit };
  const to = join(work, 'restored');
  const jobs = [];
  const watched = async (name, request) => {
    console.error(`  ${name}`);
    const samples = [];
    const measured = await runJob({ location, options, ...request }, (resident) => samples.push(resident));
    jobs.push({ job: name, seconds: measured.seconds, peak: measured.memory, parts: byPart(samples) });
    return measured.result;
  };
  await runJob({ job: 'init', location, options });
  const stored = await watched('ingest of a stream', { job: 'ingestStream', file, bytes });
  const restored = await watched('restore to a stream', { job: 'restoreStream' });
  if (restored.bytes !== bytes || restored.crc !== stored.crc) throw new Error('The restored stream differs.');
  await watched('restore to a file', { job: 'restoreFile', to });
  await rm(to);
  const { ok } = await watched('verify, full', { job: 'verify', level: 'full' });
  if (!ok) throw new Error('verify found damage.');
  return jobs;
}

/** The highest sample of each fifth of the run: where memory does not grow, they are alike. */
function byPart(samples) {
  const parts = [];
  for (let part = 0; part < PARTS; part += 1) {
    const slice = samples.slice((samples.length * part) / PARTS, (samples.length * (part + 1)) / PARTS);
    parts.push(Math.max(0, ...slice));
  }
  return parts;
}

function print(about, jobs) {
  const most = about.memoryLimit + ALLOWANCE;
  const rows = jobs.map(({ job, seconds, peak, parts }) => [
    job,
    (about.bytes / seconds / 1e9).toFixed(2),
    mebibytes(peak),
    parts.map(mebibytes).join(' '),
    peak <= most ? 'within' : 'OVER',
  ]);
  console.log(`${machineLine(about)}, after ${about.loadAfter.toFixed(2)}
A stream of ${about.bytes} bytes; memoryLimit ${mebibytes(about.memoryLimit)} MiB, so at most ${mebibytes(most)} MiB of resident memory

${table(['Job', 'GB/s', 'Peak MiB', 'Peak MiB in each fifth of the run', ''], rows)}
`);
  console.log(JSON.stringify({ bench: 'memory', ...about, jobs }));
  return jobs.every(({ peak }) => peak <= most) ? 0 : 1;
}
