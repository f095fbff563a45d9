import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type InitOptions, Repository } from '../../src/index.ts';
import { Cli, finished, MAIN, only } from '../support/cli.ts';
import { bytes } from '../support/data.ts';
import { SMALL } from '../support/repositories.ts';

/** A repository of a snapshot with these items. */
async function repository(
  items: Readonly<Record<string, Uint8Array | string>>,
  options: InitOptions = {},
): Promise<Cli> {
  const cli = new Cli();
  const made = await Repository.init(cli.repository, { ...SMALL, ...options });
  await made.ingestMulti(Object.entries(items).map(([name, body]) => ({ name, stream: Buffer.from(body) })));
  await made.close();
  return cli;
}

/** Paths of packs, in the order in which they were written or nearly so. */
function packs(cli: Cli): string[] {
  const folder = join(cli.repository, 'packs', 'data');
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.pack'));
  return names.map((name) => join(folder, name)).toSorted();
}

function flip(path: string): void {
  const body = readFileSync(path);
  body.fill(0xa5, body.length >> 2, (body.length >> 2) + 4096);
  writeFileSync(path, body);
}

test('files that are there are not touched without --force, and nothing else is written', async () => {
  const cli = await repository({ a: 'new a', b: 'new b', c: 'new c' });
  mkdirSync(cli.path('out'));
  writeFileSync(cli.path('out/b'), 'old b');
  for (const args of [
    ['--to', 'out'],
    ['-o', 'out/b', '--item', 'b'],
  ]) {
    const { code, records } = await cli.json(['restore', 'latest', ...args]);
    expect(records).toHaveLength(1);
    expect(only(records, 'error')).toMatchObject({ code: 'ALREADY_EXISTS', exitCode: 1 });
    expect(only(records, 'error')['message']).toBe(
      'out/b is there already. Nothing was written. Give another place, or --force to replace.',
    );
    expect(code).toBe(1);
    expect(readdirSync(cli.path('out'))).toEqual(['b']);
    expect(readFileSync(cli.path('out/b'), 'utf8')).toBe('old b');
  }
  await cli.ok(['restore', 'latest', '--to', 'out', '--force']);
  expect(readdirSync(cli.path('out')).toSorted()).toEqual(['a', 'b', 'c']);
  expect(readFileSync(cli.path('out/b'), 'utf8')).toBe('new b');
});

test.each(['../out', '/etc/out', 'a/../../out', '..', '.', 'a/..'])(
  'an item called %j is not written into a folder, and no other item is',
  async (name) => {
    const cli = await repository({ harmless: 'x', [name]: 'evil' });
    const { code, stderr } = await cli.run(['restore', 'latest', '--to', 'in/folder']);
    expect(stderr).toContain(JSON.stringify(name));
    expect(stderr).toContain('Nothing was written');
    expect(code).toBe(2);
    expect(existsSync(cli.path('in'))).toBe(false);
    expect(existsSync(cli.path('out'))).toBe(false);
    const alone = await cli.ok(['restore', 'latest', '--item', name]);
    expect(alone.stdout.toString()).toBe('evil');
  },
);

test('two items that would be one file are refused before anything is written', async () => {
  const cli = await repository({ 'a/b': 'one', 'a//b': 'two' });
  const { code, stderr } = await cli.run(['restore', 'latest', '--to', 'out', '--force']);
  expect(stderr).toContain('written over another one');
  expect(code).toBe(2);
  expect(existsSync(cli.path('out'))).toBe(false);
});

test('what is not there is an error with 1 that names it', async () => {
  const cli = await repository({ a: 'x' });
  for (const [args, says] of [
    [['restore', 'ffffffff'], 'ffffffff'],
    [['restore', 'latest', '--item', 'b'], '"b"'],
    [['restore', 'latest', '--item', 'b', '--to', 'out'], '"b"'],
    [['restore', 'latest', '-o', 'no folder/file'], 'no folder/file'],
  ] as const) {
    const { code, stderr } = await cli.run(args);
    expect(stderr, args.join(' ')).toContain(says);
    expect(code, args.join(' ')).toBe(1);
  }
  expect(existsSync(cli.path('out'))).toBe(false);
});

test('an item that is lost costs that item only: exit code 3, and the rest is whole', async () => {
  const cli = await repository({ big: bytes(1, 3_000_000) });
  const lost = packs(cli);
  await cli.ok(['ingest', '--name', 'small'], { input: 'small and whole' });
  const made = await Repository.open(cli.repository);
  await made.ingestMulti([
    { name: 'big', stream: bytes(1, 3_000_000) },
    { name: 'small', stream: Buffer.from('small and whole') },
  ]);
  await made.close();
  for (const path of lost) rmSync(path);
  const { code, records } = await cli.json(['restore', 'latest', '--to', 'out']);
  expect(code).toBe(3);
  expect(records.map((record) => [record.message_type, record['name'], record['status'], record['code']])).toEqual([
    ['item', 'big', 'lost', 'CORRUPT'],
    ['item', 'small', 'verified', undefined],
    ['summary', undefined, undefined, undefined],
  ]);
  expect(only(records, 'summary')).toMatchObject({ items: 2, failed: 1 });
  expect(readdirSync(cli.path('out'))).toEqual(['small']);
  expect(readFileSync(cli.path('out/small'), 'utf8')).toBe('small and whole');
  const people = await cli.run(['restore', 'latest', '--to', 'again']);
  expect(people.stdout.toString()).toContain('again/big  NOT RESTORED: ');
  expect(people.stdout.toString()).toContain('1 of 2 items NOT restored');
});

test('when nothing that was asked for can be restored, the exit code is 4 and no file is left', async () => {
  const cli = await repository({ big: bytes(2, 1_000_000) });
  for (const path of packs(cli)) rmSync(path);
  for (const args of [['-o', 'file'], ['--to', 'out'], []]) {
    const { code, stdout } = await cli.run(['restore', 'latest', ...args]);
    expect(code, args.join(' ')).toBe(4);
    if (args.length === 0) expect(stdout).toHaveLength(0);
  }
  expect(existsSync(cli.path('file'))).toBe(false);
  expect(readdirSync(cli.path('out'))).toEqual([]);
});

test('damage that parity makes good is restored, and said; verify tells it with 4; repair mends it', async () => {
  const body = bytes(3, 4_000_000);
  const cli = await repository({ body }, { parity: { data: 4, parity: 2 } });
  const [first = '', second = ''] = packs(cli);
  rmSync(first);
  flip(second);
  const piped = await cli.run(['restore', 'latest']);
  expect(piped.stdout.equals(body)).toBe(true);
  expect(piped.stderr).toContain('were rebuilt from parity on the way. Run packvault repair now.');
  expect(piped.code).toBe(0);
  const filed = await cli.json(['restore', 'latest', '-o', 'file']);
  expect(readFileSync(cli.path('file')).equals(body)).toBe(true);
  expect(only(filed.records, 'summary')['healed']).toBeGreaterThan(0);
  expect(only(filed.records, 'warning')['message']).toContain('packvault repair');
  const found = await cli.json(['verify']);
  expect(found.code).toBe(4);
  const faults = found.records.filter((record) => record.message_type === 'fault');
  expect(new Set(faults.map(({ key }) => String(key).split('/').at(-1)))).toEqual(
    new Set([first, second].map((path) => path.split('/').at(-1))),
  );
  expect(faults.every(({ repairable }) => repairable === true)).toBe(true);
  expect(only(found.records, 'summary')).toMatchObject({ ok: false, faults: faults.length });
  const told = await cli.run(['verify']);
  expect(told.stdout.toString()).toContain('DAMAGED  packs/data/');
  expect(told.stdout.toString()).toContain('Run packvault repair: it can make all of this good.');
  const repaired = await cli.json(['repair']);
  expect(only(repaired.records, 'summary')).toMatchObject({ packsRepaired: 2, packsLost: [], snapshotsDamaged: [] });
  expect(repaired.code).toBe(0);
  expect((await cli.run(['verify'])).code).toBe(0);
});

test('what is beyond parity: verify says lost with 4, repair ends with 3, and the next backup heals', async () => {
  const body = bytes(4, 2_000_000);
  const cli = await repository({ body });
  const [first = ''] = packs(cli);
  rmSync(first);
  const found = await cli.json(['verify']);
  expect(found.code).toBe(4);
  expect(found.records.some(({ repairable }) => repairable === false)).toBe(true);
  expect((await cli.run(['verify'])).stdout.toString()).toContain('LOST  packs/data/');
  const repaired = await cli.json(['repair']);
  expect(only(repaired.records, 'summary')['packsLost']).toHaveLength(1);
  expect(repaired.code).toBe(3);
  await cli.ok(['ingest'], { input: body });
  const again = await cli.run(['verify']);
  expect(again.stdout.toString()).toMatch(/^No damage\./);
  expect(again.code).toBe(0);
});

test('a reader that has enough ends restore quietly, with an exit code that is not 0', async () => {
  const cli = await repository({ body: bytes(5, 5_000_000) });
  const child = cli.start(['restore', 'latest']);
  child.stdout.once('data', () => child.stdout.destroy());
  const { code, stderr } = await finished(child);
  expect(stderr).toBe('');
  expect(code).toBe(1);
});

test.runIf(process.platform === 'linux')('a full disk behind standard output is an error with 1', async () => {
  const cli = await repository({ body: bytes(6, 100_000) });
  const ended = spawnSync('sh', ['-c', '"$0" "$1" restore latest > /dev/full', process.execPath, MAIN], {
    env: cli.environment(),
    encoding: 'utf8',
  });
  expect(ended.stderr).toContain('no space left on device');
  expect(ended.status).toBe(1);
});

test('restored files are whole when they appear, and nothing else is left beside them', async () => {
  const cli = await repository({ a: bytes(7, 300_000) });
  await cli.ok(['restore', 'latest', '-o', 'file']);
  expect(statSync(cli.path('file')).size).toBe(300_000);
  expect(readdirSync(cli.folder).toSorted()).toEqual(['file', 'home', 'repository']);
});
