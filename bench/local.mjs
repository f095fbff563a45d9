// Speed of every job on local disk. Rounds alternate: each runs every job once, so that what else the machine does hits all alike.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { crc32 } from 'node:zlib';
import { calibrate } from './lib/calibrate.mjs';
import { CACHE, ownFile, parseSize, random, sample, sha256, systemTar } from './lib/data.mjs';
import { runJob } from './lib/jobs.mjs';
import { machine, machineLine, median, mebibytes, table } from './lib/report.mjs';

export const usage = `Usage: npm run bench -- local [OPTIONS]
Ingest, unchanged re-ingest, restore to a file and to a stream, verify, repair of one lost pack: encrypted, defaults of local disk.
  --size 2GB     bytes of system files, at least (default 2GB)
  --data FILE    measure with this file instead
  --rounds 3     how often each job runs; figures are medians
  --parity K,M   parity groups (default 17,3), or off
  --seed 1       choice of the files, and of the pack that is lost`;

/** @typedef {import('./lib/jobs.mjs').Measured & { bytes: number }} Run */

export async function run(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      size: { type: 'string', default: '2GB' },
      data: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      parity: { type: 'string', default: '17,3' },
      seed: { type: 'string', default: '1' },
    },
  });
  const seed = Number(values.seed);
  const data = values.data === undefined ? await systemTar(parseSize(values.size), seed) : await ownFile(values.data);
  const about = { ...machine(), data: data.path.split('/').at(-1), bytes: data.bytes, rounds: Number(values.rounds) };
  const bench = new LocalBench(data, await crcOf(data.path), random(seed), parity(values.parity));
  const sampleFile = await sample(data);
  const calibrations = [];
  for (let round = 1; round <= about.rounds; round += 1) {
    console.error(`round ${round} of ${about.rounds}`);
    calibrations.push(await calibrate(sampleFile, data));
    await bench.round(round);
  }
  print({ ...about, loadAfter: loadavg()[0] }, calibrations, bench.runs);
  return 0;
}

function parity(text) {
  if (text === 'off') return false;
  const [members, rows] = text.split(',').map(Number);
  return { data: members, parity: rows };
}

async function crcOf(path) {
  let crc = 0;
  for await (const part of createReadStream(path, { highWaterMark: 1 << 20 })) crc = crc32(part, crc);
  return crc;
}

function check(condition, what) {
  if (!condition) throw new Error(`Not to be measured, since it is wrong: ${what}`);
}

class LocalBench {
  /** @type {Map<string, Run[]>} */
  runs = new Map();
  #data;
  #crc;
  #random;
  #parity;

  constructor(data, crc, next, scheme) {
    this.#data = data;
    this.#crc = crc;
    this.#random = next;
    this.#parity = scheme;
  }

  /** Every job once, on a new repository. What reads only comes in another order each round. */
  async round(number) {
    const work = await mkdtemp(join(CACHE, 'run-'));
    const location = join(work, 'repository');
    const options = { cache: join(work, 'cache') };
    try {
      await runJob({ job: 'init', location, options: { ...options, parity: this.#parity } });
      await this.#ingest(location, options);
      const readers = [
        () => this.#verify(location, options, 'standard'),
        () => this.#verify(location, options, 'full'),
        () => this.#restoreFile(location, options, join(work, 'restored')),
        () => this.#restoreStream(location, options),
      ];
      for (let turn = 0; turn < readers.length; turn += 1) await readers[(turn + number) % readers.length]();
      if (this.#parity !== false) await this.#repair(location, options);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }

  /** @param {(result: any) => number} bytesOf Logical or stored bytes that the job worked on. */
  async #measure(name, request, bytesOf) {
    console.error(`  ${name}`);
    const measured = await runJob(request);
    this.runs.set(name, [...(this.runs.get(name) ?? []), { ...measured, bytes: bytesOf(measured.result) }]);
    return measured.result;
  }

  async #ingest(location, options) {
    const request = { job: 'ingest', location, options, file: this.#data.path };
    const logical = () => this.#data.bytes;
    const first = await this.#measure('ingest', request, logical);
    check(first.originalSize === this.#data.bytes && first.newChunks > 0, 'the first ingest stored nothing');
    const again = await this.#measure('re-ingest, unchanged', request, logical);
    check(again.newChunks === 0 && again.storedSize === 0, 'the second ingest stored something');
  }

  async #verify(location, options, level) {
    const { ok } = await this.#measure(`verify, ${level}`, { job: 'verify', location, options, level }, (result) =>
      level === 'full' ? this.#data.bytes : result.bytesRead,
    );
    check(ok, 'verify found damage');
  }

  async #restoreFile(location, options, to) {
    await this.#measure('restore to a file', { job: 'restoreFile', location, options, to }, (result) => result.bytes);
    check((await sha256(to)) === this.#data.sha256, 'the restored file differs');
    await rm(to);
  }

  async #restoreStream(location, options) {
    const request = { job: 'restoreStream', location, options };
    const { bytes, crc } = await this.#measure('restore to a stream', request, (result) => result.bytes);
    check(bytes === this.#data.bytes && crc === this.#crc, 'the restored stream differs');
  }

  async #repair(location, options) {
    const folder = join(location, 'packs', 'data');
    const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.pack')).toSorted();
    const lost = names[Math.floor(this.#random() * names.length)];
    const before = await readFile(join(folder, lost));
    await rm(join(folder, lost));
    const request = { job: 'repair', location, options };
    const { packsRepaired } = await this.#measure('repair of one lost pack', request, () => before.length);
    check(packsRepaired === 1, 'repair did not bring back one pack');
    const digest = createHash('sha256').update(await readFile(join(folder, lost)));
    check(digest.digest('hex') === createHash('sha256').update(before).digest('hex'), 'the repaired pack differs');
  }
}

const NOTES = { 'verify, standard': 'stored bytes', 'repair of one lost pack': 'all packs are checked' };

function print(about, calibrations, runs) {
  const calibration = Object.fromEntries(
    Object.keys(calibrations[0]).map((name) => [name, median(calibrations.map((one) => one[name]))]),
  );
  const jobs = [...runs].map(([job, all]) => {
    const seconds = median(all.map((one) => one.seconds));
    const rate = job.startsWith('repair') ? undefined : all[0].bytes / seconds / 1e9;
    const [least, most] = [Math.min(...all.map((one) => one.seconds)), Math.max(...all.map((one) => one.seconds))];
    const memory = Math.max(...all.map((one) => one.memory));
    return { job, seconds, least, most, rate, cpu: median(all.map((one) => one.cpu)), memory, note: NOTES[job] ?? '' };
  });
  const rows = jobs.map(({ job, seconds, least, most, rate, cpu, memory, note }) => [
    job,
    seconds.toFixed(2),
    `${least.toFixed(2)}–${most.toFixed(2)}`,
    rate?.toFixed(2) ?? '',
    rate === undefined ? '' : (rate / calibration.loop).toFixed(2),
    cpu.toFixed(2),
    mebibytes(memory),
    note,
  ]);
  const figures = Object.entries(calibration).map(([name, value]) => `${name} ${value.toFixed(2)}`);
  console.log(`${machineLine(about)}, after ${about.loadAfter.toFixed(2)}
${about.data}, ${about.bytes} bytes; ${about.rounds} rounds, medians; every restore was compared with its source
Calibration, GB/s: ${figures.join(', ')}

${table(['Job', 'Seconds', 'Range', 'GB/s', '× loop', 'CPU s', 'Peak MiB', ''], rows)}
`);
  console.log(JSON.stringify({ bench: 'local', ...about, calibration, jobs }));
}
