import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import type { Command } from '../options.ts';
import { bytes, elapsed, fields, table } from '../render.ts';
import { type Input, inputsOf, usualInputs } from '../trial/inputs.ts';
import { type Outcome, type Step, Trial } from '../trial/trial.ts';

const WORDS = `Backups are cut into chunks; each is stored once, compressed and encrypted.
Packs are the files that hold chunks; an index says which pack holds what.
Parity is computed from packs: 3 more for 17, and any 3 of the 20 may be lost.
3.5 : 1 means that 3.5 bytes of data take one byte of disk.`;

export const command: Command = {
  synopsis: ['try [OPTIONS] [PATH...]'],
  about: `Backs up real data into a temporary encrypted repository, changes about 1 % of it, backs it up again, deletes two packs and an
index, flips bytes in a third pack, shows that verify finds all of it, repairs, restores both backups and compares every byte.
PATH: files or folders. Default: the first 384 MiB of this folder as one tar stream, and a made-up SQL dump. Nothing outside of
TMPDIR is written; it needs about 4 times the size of the data for a moment. Exit code 0 only if every byte came back.`,
  most: Number.POSITIVE_INFINITY,
  standalone: true,
  environment: [['TMPDIR', 'where the temporary folder is made']],
  async run(context) {
    const folder = await mkdtemp(join(tmpdir(), 'packvault-try-'));
    try {
      const started = Date.now();
      const { inputs, outcome } = await trial(context, folder);
      const seconds = (Date.now() - started) / 1000;
      const items = inputs.map(({ name, about, versions }) => ({ name, about, bytes: versions[0].size }));
      for (const step of outcome.steps) context.output.record('step', step);
      context.output.result('summary', { ok: outcome.same, items, seconds, bytesCompared: outcome.bytesCompared }, () =>
        report(inputs, outcome, seconds),
      );
      return outcome.same ? EXIT.ok : EXIT.integrity;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function trial(context: Context, folder: string): Promise<{ inputs: Input[]; outcome: Outcome }> {
  const { signal, onProgress, output, positionals } = context;
  const place = { folder, signal };
  output.step(`Working in ${folder}, which is removed at the end.`);
  output.step('prepare the data …');
  const inputs = await (positionals.length === 0 ? usualInputs(place, process.cwd()) : inputsOf(place, positionals));
  const say = (step: string): void => output.step(`${step} …`);
  const outcome = await new Trial({ folder, engine: context.engine(), signal, onProgress, say }, inputs).run();
  return { inputs, outcome };
}

function report(inputs: readonly Input[], { steps, same, bytesCompared }: Outcome, seconds: number): string {
  const peak = bytes(process.resourceUsage().maxRSS * 1024);
  return [
    '',
    fields(inputs.map(({ name, about, versions }) => [name, `${bytes(versions[0].size)}: ${about}`])),
    '',
    table(['Step', '    Data', '   Time', '     Speed', 'Result'], steps.flatMap(rows)),
    '',
    WORDS,
    '',
    `${elapsed(seconds)} in all, at most ${peak} of memory.`,
    same
      ? `Every byte came back: ${bytes(bytesCompared)} in 2 backups, compared by SHA-256.`
      : 'BYTES DIFFER. This is a defect of packvault: please report it, with this table.',
  ].join('\n');
}

function rows({ step, bytes: count, seconds, result }: Step): string[][] {
  const data = count === undefined ? '' : bytes(count);
  const time = seconds === undefined ? '' : elapsed(seconds);
  const speed = count === undefined || seconds === undefined ? '' : `${bytes(count / seconds)}/s`;
  const [first = '', ...more] = result.split('\n');
  return [[step, data, time, speed, first], ...more.map((line) => ['', '', '', '', line])];
}
