// One job in a process of its own, so that its time, CPU and peak memory are its own: run by runJob of jobs.mjs.
import { readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { openUrl, Repository } from '../../dist/index.js';
import { GaugeBackend } from './gauge.mjs';
import { pieces } from './stream.mjs';

const PASSPHRASE = 'a passphrase that protects nothing';

/** What can be measured. Each gives what is worth knowing of its result. */
const JOBS = {
  ingest: async (repository, { file }) => {
    const handle = await open(file, 'r');
    try {
      return summary(await repository.ingest(handle));
    } finally {
      await handle.close();
    }
  },
  ingestStream: async (repository, { file, bytes }) => {
    const sum = { crc: 0 };
    return { ...summary(await repository.ingest(pieces(file, bytes, sum))), crc: sum.crc };
  },
  restoreFile: async (repository, { to }) => repository.restoreTo(to, 'latest'),
  restoreStream: async (repository) => {
    const result = { bytes: 0, crc: 0 };
    for await (const part of await repository.restore('latest')) {
      result.bytes += part.length;
      result.crc = crc32(part, result.crc);
    }
    return result;
  },
  verify: async (repository, { level }) => {
    const { ok, stats } = await repository.verify({ level });
    return { ok, ...stats };
  },
  repair: async (repository) => repository.repair(),
};

function summary({ id, originalSize, storedSize, newChunks, reusedChunks }) {
  return { id, originalSize, storedSize, newChunks, reusedChunks };
}

/** Starts the count of peak memory anew, where the system can (proc(5)): opening has its own peak, the key derivation. */
function forgetPeak() {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Elsewhere the peak is that of the whole process.
  }
}

/** Peak resident memory of this process in bytes. */
function peakMemory() {
  const { maxRSS } = process.resourceUsage();
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    return Number(kilobytes ?? maxRSS) * 1024;
  } catch {
    return maxRSS * 1024;
  }
}

async function perform({ job, location, counted = false, options = {}, ...rest }) {
  if (job === 'init') {
    await (await Repository.init(location, { passphrase: PASSPHRASE, ...options })).close();
    return {};
  }
  const gauge = counted ? new GaugeBackend(await openUrl(location)) : undefined;
  const repository = await Repository.open(gauge ?? location, { passphrase: PASSPHRASE, ...options });
  try {
    process.send({ started: true });
    forgetPeak();
    gauge?.reset();
    const before = process.cpuUsage();
    const start = performance.now();
    const result = await JOBS[job](repository, rest);
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(before);
    return { seconds, cpu: (user + system) / 1e6, memory: peakMemory(), result, requests: gauge?.figures() };
  } finally {
    await repository.close();
    await gauge?.[Symbol.asyncDispose]();
  }
}

process.once('message', (request) => {
  perform(request).then(
    (measured) => process.send({ measured }, () => process.disconnect()),
    (error) => process.send({ failed: error.stack ?? String(error) }, () => process.disconnect()),
  );
});
