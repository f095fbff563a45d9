// Runs jobs in child processes.
import { fork, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const JOB = fileURLToPath(new URL('job.mjs', import.meta.url));
const SAMPLE_MS = 50;

/**
 * @typedef {object} Measured
 * @property {number} seconds Wall time of the verb alone: opening, and so the key derivation, is not in it.
 * @property {number} cpu Seconds of all threads, user and system.
 * @property {number} memory Peak resident memory of the process in bytes while the verb ran.
 * @property {any} result
 * @property {{ requests: number, seconds: number, most: number, totals: any }} [requests] What a `counted` job asked of its store.
 */

/**
 * Runs one job of job.mjs in a process of its own. `watch` gets resident bytes while the job runs, where the system tells them.
 * @returns {Promise<Measured>}
 */
export function runJob(request, watch) {
  // What earlier jobs left to be written must not slow this one down.
  spawnSync('sync');
  const child = fork(JOB, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  let timer;
  return new Promise((resolve, reject) => {
    let answer;
    child.on('message', (message) => {
      if (message.started && watch !== undefined) timer = setInterval(() => void observe(child.pid, watch), SAMPLE_MS);
      else answer = message;
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearInterval(timer);
      if (answer?.measured !== undefined) resolve(answer.measured);
      else reject(new Error(`${request.job}: ${answer?.failed ?? `the process ended with ${signal ?? code}`}`));
    });
    child.send(request);
  });
}

async function observe(pid, watch) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
  if (kilobytes !== undefined) watch(Number(kilobytes) * 1024);
}
