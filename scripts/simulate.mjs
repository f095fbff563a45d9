// `npm run simulate -- --seeds N [--from SEED]`: plays N histories of the simulated world, on every core, and says what they came to.
import { spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { seeds: { type: 'string' }, from: { type: 'string' } } });
const [seeds, from] = [Number(values.seeds ?? 1_000), Number(values.from ?? 0)];
const build = spawnSync('cargo', ['build', '--release', '-p', 'packvault-sim', '--example', 'simulate'], {
  stdio: 'inherit',
});
if (build.status !== 0) process.exit(build.status ?? 1);
const target = process.env.CARGO_TARGET_DIR ?? 'target';
const workers = Math.min(seeds, availableParallelism());
const share = Math.ceil(seeds / workers);

const codes = Array.from({ length: workers }, (_, worker) => {
  const first = from + worker * share;
  const count = Math.max(0, Math.min(share, from + seeds - first));
  const child = spawn(`${target}/release/examples/simulate`, [String(first), String(count)], { stdio: 'inherit' });
  return new Promise((resolve) => {
    child.on('close', resolve);
  });
});
process.exitCode = (await Promise.all(codes)).some((code) => code !== 0) ? 1 : 0;
