// What this machine does at this moment, beside which every figure is put.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, open, readFile, rm } from 'node:fs/promises';
import { deflateRawSync } from 'node:zlib';

const CHUNK = 256 << 10;

/**
 * @typedef {object} Calibration GB/s
 * @property {number} sha256 One core, 256 KiB at a time.
 * @property {number} compress zstd level 1, one core, 256 KiB at a time.
 * @property {number} decompress The same back; 0 where it was not measured.
 * @property {number} loop SHA-256 and then zstd of the same bytes on one core: what ratios refer to.
 * @property {number} copy Copying the data beside itself, and syncing the copy.
 */

/**
 * @param {string} sampleFile
 * @param {import('./data.mjs').Dataset} data
 * @returns {Promise<Calibration>}
 */
export async function calibrate(sampleFile, data) {
  const bytes = await readFile(sampleFile);
  const sha256 = rate(bytes.length, () => hash(bytes));
  const { compress, decompress } = zstd(sampleFile) ?? {
    compress: rate(bytes.length, () => deflate(bytes)),
    decompress: 0,
  };
  const copy = await copyAndSync(data);
  return { sha256, compress, decompress, loop: 1 / (1 / sha256 + 1 / compress), copy };
}

function rate(bytes, work) {
  const start = performance.now();
  work();
  return gigabytes(bytes, start);
}

/** GB/s since `start`. */
function gigabytes(bytes, start) {
  return bytes / 1e6 / (performance.now() - start);
}

function hash(bytes) {
  for (let at = 0; at < bytes.length; at += CHUNK)
    createHash('sha256')
      .update(bytes.subarray(at, at + CHUNK))
      .digest();
}

function deflate(bytes) {
  for (let at = 0; at < bytes.length; at += CHUNK) deflateRawSync(bytes.subarray(at, at + CHUNK), { level: 1 });
}

/** The benchmark of the zstd command: in memory, one thread. Its MB are 10^6 bytes. */
function zstd(file) {
  const { status, stdout, stderr } = spawnSync('zstd', ['-b1', '-i1', '-B256KB', file], { encoding: 'utf8' });
  if (status !== 0) {
    console.error('There is no zstd command: the calibration compresses with deflate at level 1 instead.');
    return undefined;
  }
  const found = [...`${stdout}${stderr}`.matchAll(/([\d.]+) MB\/s,\s*([\d.]+) MB\/s/g)].at(-1);
  if (found === undefined) throw new Error('The zstd command printed no figures.');
  return { compress: Number(found[1]) / 1000, decompress: Number(found[2]) / 1000 };
}

async function copyAndSync({ path, bytes }) {
  const to = `${path}.copy`;
  try {
    spawnSync('sync');
    const start = performance.now();
    await copyFile(path, to);
    const file = await open(to, 'r+');
    await file.sync();
    await file.close();
    return gigabytes(bytes, start);
  } finally {
    await rm(to, { force: true });
  }
}
