import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { type Damage, untold } from '../../src/cli/trial/damage.ts';
import { type Input, inputsOf } from '../../src/cli/trial/inputs.ts';
import { type Surroundings, Trial } from '../../src/cli/trial/trial.ts';
import type { Snapshot, VerifyError, VerifyResult } from '../../src/index.ts';
import { Cli, finished, only, until } from '../support/cli.ts';
import { bytes, dump } from '../support/data.ts';
import { temporaryFolder } from '../support/folders.ts';
import { rejection } from '../support/repositories.ts';

const STEPS = [
  'make a repository',
  'first backup',
  'second, 1 % changed',
  'damage',
  'verify',
  'repair',
  'verify again',
  'restore first',
  'restore second',
  'both backups',
];

/** Work for `packvault try`: a file and a folder, some MiB together. */
function data(cli: Cli): string[] {
  mkdirSync(cli.path('a folder'));
  writeFileSync(cli.path('a folder/text'), dump(1, 2_000_000));
  writeFileSync(cli.path('noise'), bytes(2, 8_000_000));
  return ['a folder', 'noise'];
}

test('try goes through every step, compares every byte and leaves nothing behind', async () => {
  const cli = new Cli();
  const { stdout, stderr, code } = await cli.run(['try', ...data(cli)], { env: { PACKVAULT_REPOSITORY: '' } });
  const lines = stdout.toString().split('\n');
  expect(code, stderr).toBe(0);
  for (const step of STEPS)
    expect(
      lines.filter((line) => line.startsWith(step)),
      step,
    ).not.toEqual([]);
  expect(stdout.toString()).toMatch(
    /1-a folder\.tar {2}[\d.]+ MiB: a folder, as one tar stream\n2-noise {9}7\.63 MiB: noise\n/,
  );
  expect(lines.filter((line) => line.endsWith('SHA-256 equal'))).toHaveLength(2);
  expect(stdout.toString()).toContain('2 packs deleted');
  expect(stdout.toString()).toMatch(/\nEvery byte came back: [\d.]+ MiB in 2 backups, compared by SHA-256\.\n$/);
  // It fits a terminal of the usual width.
  for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
  expect(readdirSync(cli.folder).toSorted()).toEqual(['a folder', 'home', 'noise']);
});

test('with --json, try gives a record for each step and whether all bytes came back', async () => {
  const cli = new Cli();
  const { records, code } = await cli.json(['try', ...data(cli), '--threads', '1']);
  expect(code).toBe(0);
  expect(records.map(({ step }) => step)).toEqual([...STEPS, undefined]);
  const summary = only(records, 'summary');
  expect(summary).toMatchObject({
    ok: true,
    items: [{ name: '1-a folder.tar' }, { name: '2-noise', bytes: 8_000_000 }],
  });
  expect(summary['bytesCompared']).toBeGreaterThan(20_000_000);
});

test('too little data, and a path that is not there, are told', async () => {
  const cli = new Cli();
  writeFileSync(cli.path('small'), bytes(3, 1000));
  const small = await cli.run(['try', 'small']);
  expect(small.stderr).toContain('too little data');
  expect(small.code).toBe(2);
  const missing = await cli.run(['try', 'missing']);
  expect(missing.stderr).toContain('missing');
  expect(missing.code).toBe(1);
  expect(readdirSync(cli.folder).toSorted()).toEqual(['home', 'small']);
});

test('Ctrl-C ends try with 130, and its folder is gone', async () => {
  const cli = new Cli();
  const child = cli.start(['try', ...data(cli)]);
  const end = finished(child);
  const ours = (): string | undefined => readdirSync(cli.folder).find((name) => name.startsWith('packvault-try-'));
  await until(child, () => readdirSync(cli.path(ours() ?? '.')).includes('repository'));
  child.kill('SIGINT');
  expect((await end).code).toBe(130);
  expect(ours()).toBe(undefined);
});

/** Inputs and surroundings of a trial in this process. */
async function trial(change: (inputs: Input[]) => Input[]): Promise<Trial> {
  const folder = temporaryFolder();
  const [path, signal] = [`${folder}/input`, new AbortController().signal];
  writeFileSync(path, bytes(4, 6_000_000));
  const around: Surroundings = { folder, engine: {}, signal, onProgress: () => undefined, say: () => undefined };
  return new Trial(around, change(await inputsOf({ folder, signal }, [path])));
}

test('a byte that does not come back is not passed over', async () => {
  const good = await (await trial((inputs) => inputs)).run();
  expect(good.same).toBe(true);
  const wrong = await trial((inputs) =>
    inputs.map((input) => ({ ...input, versions: [input.versions[0], { ...input.versions[1], sha256: '00' }] })),
  );
  const outcome = await wrong.run();
  expect(outcome.same).toBe(false);
  expect(outcome.steps.find(({ step }) => step === 'restore second')?.result).toBe('SHA-256 DIFFERS');
  expect(outcome.steps.find(({ step }) => step === 'restore first')?.result).toBe('SHA-256 equal');
});

function pack(digit: string): string {
  return `/repository/packs/data/${digit}${digit}/${digit.repeat(64)}.pack`;
}

function fault(where: Partial<VerifyError>): VerifyError {
  return { error: '', code: 'CORRUPT', repairable: true, ...where };
}

test('damage that verify does not tell is not passed over', () => {
  const damage: Damage = {
    deletedPacks: [pack('1'), pack('2')],
    deletedIndex: '/repository/index/0000-01.idx',
    flippedPack: pack('3'),
    flippedBytes: 7,
  };
  const second = { id: 'second' } as Snapshot;
  const all = [
    ...[...damage.deletedPacks, damage.flippedPack].map((path) => fault({ pack: basename(path, '.pack') })),
    fault({ snapshot: 'second' }),
  ];
  const told = (errors: readonly VerifyError[]): string[] => untold(damage, second, { errors } as VerifyResult);
  expect(told(all)).toEqual([]);
  const each = [...damage.deletedPacks, damage.flippedPack, damage.deletedIndex];
  for (const [i, path] of each.entries()) expect(told(all.toSpliced(i, 1))).toEqual([path]);
  expect(told([fault({ snapshot: 'first' })])).toEqual(each);
});

test('a file that can be read neither as one nor as a folder ends a trial', async () => {
  const signal = new AbortController().signal;
  const error = await rejection(inputsOf({ folder: temporaryFolder(), signal }, ['/nowhere/at all']));
  expect(String(error)).toContain('ENOENT');
});
