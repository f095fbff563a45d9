import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Cli, only, SECRET } from '../support/cli.ts';
import { bytes, dump } from '../support/data.ts';

async function repository(...options: string[]): Promise<Cli> {
  const cli = new Cli();
  await cli.ok(['init', '--no-encryption', ...options]);
  return cli;
}

test('init makes an encrypted repository and warns of a lost passphrase', async () => {
  const cli = new Cli(true);
  const { stdout, stderr } = await cli.ok(['init']);
  expect(stdout.toString()).toContain(`Made an encrypted repository at ${cli.repository}.`);
  expect(stdout.toString()).toContain('Keep the passphrase safe');
  expect(stderr).toBe('');
  expect(readdirSync(cli.repository)).toContain('config.json');
});

test('init takes every option, and the repository has what was asked for', async () => {
  const cli = new Cli();
  const options = ['--compression', 'gzip:9', '--parity', '4,2', '--pack-size', '2', '--chunk-id', 'sha256'];
  const { records } = await cli.json(['init', '--no-encryption', ...options]);
  expect(records).toEqual([{ message_type: 'summary', repository: cli.repository, encrypted: false }]);
  const config = readFileSync(`${cli.repository}/config.json`, 'utf8');
  for (const word of ['"gzip"', '"sha256"', '2097152']) expect(config).toContain(word);
});

test('what goes into standard input comes out of standard output', async () => {
  const cli = await repository();
  const input = bytes(1, 3_000_001);
  const { records } = await cli.json(['ingest', '--tag', 'host=db1', '--tag', 'day=mon=1', '--sha256'], { input });
  const summary = only(records, 'summary');
  expect(summary).toMatchObject({
    changed: [],
    snapshot: {
      originalSize: 3_000_001,
      tags: { host: 'db1', day: 'mon=1' },
      items: [{ name: 'stdin', type: 'stream', size: 3_000_001 }],
    },
  });
  const { id } = summary['snapshot'] as { id: string };
  const { stdout, stderr } = await cli.ok(['restore', id.slice(0, 8)]);
  expect(stdout.equals(input)).toBe(true);
  expect(stderr).toBe('');
});

test('with --json, restore gives bytes on standard output and records on standard error', async () => {
  const cli = await repository();
  await cli.ok(['ingest'], { input: 'the bytes' });
  const { stdout, stderr } = await cli.ok(['restore', 'latest', '--json', '--quiet']);
  expect(stdout.toString()).toBe('the bytes');
  expect(JSON.parse(stderr)).toEqual({ message_type: 'summary', bytes: 9, healed: 0 });
});

test('files become items of one snapshot and come back under their names, odd ones too', async () => {
  const cli = await repository();
  const names = ['plain', 'with blank', 'emoji 🎉', 'new\nline', '-dash', 'folder/in it', 'quote\'"$(x)'];
  mkdirSync(cli.path('folder'));
  for (const [seed, name] of names.entries()) writeFileSync(cli.path(name), dump(seed, 10_000 + seed));
  const { records } = await cli.json(['ingest', '--', ...names]);
  const { items } = only(records, 'summary')['snapshot'] as { items: { name: string; type: string }[] };
  expect(items.map(({ name }) => name)).toEqual(names);
  expect(new Set(items.map(({ type }) => type))).toEqual(new Set(['file']));
  const restored = await cli.json(['restore', 'latest', '--to', 'out put']);
  for (const [seed, name] of names.entries()) {
    expect(readFileSync(cli.path(`out put/${name}`)).equals(dump(seed, 10_000 + seed)), name).toBe(true);
    expect(restored.records[seed]).toEqual({
      message_type: 'item',
      name,
      status: 'verified',
      path: `out put/${name}`,
      bytes: 10_000 + seed,
      healed: 0,
    });
  }
  expect(only(restored.records, 'summary')).toMatchObject({ items: names.length, failed: 0, healed: 0 });
});

test('the name of an item never leads upwards or to the root', async () => {
  const cli = await repository();
  mkdirSync(cli.path('deep'));
  writeFileSync(cli.path('deep/file'), 'x');
  writeFileSync(cli.path('file'), 'y');
  const { records } = await cli.json(['ingest', cli.path('deep/file'), '.././file'], { cwd: cli.path('deep') });
  const { items } = only(records, 'summary')['snapshot'] as { items: { name: string }[] };
  expect(items.map(({ name }) => name)).toEqual([cli.path('deep/file').slice(1), 'file']);
});

test('one item can be restored alone: to a file, to standard output, into a folder', async () => {
  const cli = await repository();
  writeFileSync(cli.path('a'), 'content of a');
  writeFileSync(cli.path('b'), 'content of b');
  await cli.ok(['ingest', 'a', 'b']);
  expect((await cli.ok(['restore', 'latest', '--item', 'b'])).stdout.toString()).toBe('content of b');
  expect((await cli.ok(['restore', 'latest'])).stdout.toString()).toBe('content of acontent of b');
  const { records } = await cli.json(['restore', 'latest', '--item', 'a', '-o', 'one file']);
  expect(records).toEqual([{ message_type: 'summary', path: 'one file', bytes: 12, healed: 0 }]);
  expect(readFileSync(cli.path('one file'), 'utf8')).toBe('content of a');
  await cli.ok(['restore', 'latest', '--item', 'b', '--to', 'folder']);
  expect(readdirSync(cli.path('folder'))).toEqual(['b']);
});

test('standard input and files make one snapshot, with the name and type that are given', async () => {
  const cli = await repository();
  writeFileSync(cli.path('schema.sql'), 'CREATE');
  const mixed = await cli.json(['ingest', 'schema.sql', '-', '--type', 'sql'], { input: 'INSERT' });
  expect(only(mixed.records, 'summary')['snapshot']).toMatchObject({
    items: [
      { name: 'schema.sql', type: 'sql', size: 6 },
      { name: 'stdin', type: 'sql', size: 6 },
    ],
  });
  const named = await cli.json(['ingest', '--name', 'db/dump.sql'], { input: 'INSERT' });
  expect(only(named.records, 'summary')['snapshot']).toMatchObject({ items: [{ name: 'db/dump.sql' }] });
});

test('empty standard input makes no snapshot unless it is allowed; an empty file does', async () => {
  const cli = await repository();
  const refused = await cli.run(['ingest']);
  expect(refused.stderr).toContain('Standard input was empty');
  expect(refused.code).toBe(2);
  expect((await cli.json(['snapshots'])).records).toEqual([{ message_type: 'summary', snapshots: 0 }]);
  await cli.ok(['ingest', '--allow-empty']);
  writeFileSync(cli.path('empty'), '');
  await cli.ok(['ingest', 'empty']);
  expect((await cli.ok(['restore', 'latest'])).stdout).toHaveLength(0);
  expect(only((await cli.json(['snapshots'])).records, 'summary')).toMatchObject({ snapshots: 2 });
});

test('snapshots are listed oldest first, by tag and date, as a table and as records', async () => {
  const cli = await repository();
  await cli.ok(['ingest', '--name', 'one', '--tag', 'host=a'], { input: 'x' });
  await cli.ok(['ingest', '--name', 'two', '--tag', 'host=b'], { input: bytes(2, 150_000) });
  const { records } = await cli.json(['snapshots']);
  expect(records).toHaveLength(3);
  expect(records[0]).toMatchObject({ message_type: 'snapshot', items: [{ name: 'one' }], tags: { host: 'a' } });
  expect(records[1]).toMatchObject({ message_type: 'snapshot', items: [{ name: 'two' }], originalSize: 150_000 });
  const table = (await cli.ok(['snapshots'])).stdout.toString().trimEnd().split('\n');
  const [first, second] = [String(records[0]?.['id']), String(records[1]?.['id'])];
  const time = String(records[1]?.['createdAt']).slice(0, 16).replace('T', ' ');
  expect(table[0]).toBe('ID        Time (UTC)            Size    Stored  Items [tags]');
  expect(table[2]?.startsWith(first.slice(0, 8))).toBe(true);
  expect(table[3]).toBe(`${second.slice(0, 8)}  ${time}   146 KiB   147 KiB  two [host=b]`);
  const byTag = await cli.json(['snapshots', '--tag', 'host=b']);
  expect(byTag.records.map(({ id }) => id)).toEqual([second, undefined]);
  const future = await cli.json(['snapshots', '--after', '2099-01-01']);
  expect(future.records).toEqual([{ message_type: 'summary', snapshots: 0 }]);
  const past = await cli.json(['snapshots', '--before', '2099-01-01T00:00:00Z', '--after', '2001-01-01']);
  expect(past.records).toHaveLength(3);
});

test('a sound repository: verify, repair, reindex, stats, status and unlock say so', async () => {
  const cli = await repository('--parity', '4,2');
  await cli.ok(['ingest'], { input: bytes(3, 1_000_000) });
  for (const level of ['quick', 'standard', 'full']) {
    const { code, records } = await cli.json(['verify', '--level', level]);
    expect(only(records, 'summary'), level).toMatchObject({ ok: true, faults: 0, snapshotsChecked: 1 });
    expect(code).toBe(0);
  }
  expect((await cli.ok(['verify', '--sample', '0.5'])).stdout.toString()).toMatch(/^No damage\. Checked 1 snapshot, /);
  const repaired = await cli.json(['repair']);
  expect(only(repaired.records, 'summary')).toMatchObject({ packsRepaired: 0, packsLost: [], snapshotsDamaged: [] });
  expect((await cli.ok(['repair'])).stdout.toString()).toBe('There was nothing to repair.\n');
  expect((await cli.json(['reindex'])).records).toEqual([{ message_type: 'summary' }]);
  expect((await cli.ok(['reindex'])).stdout.toString()).toBe('The index is complete.\n');
  const stats = only((await cli.json(['stats'])).records, 'summary');
  expect(stats).toMatchObject({ snapshots: 1, originalBytes: 1_000_000 });
  expect(stats['storedBytes']).toBeGreaterThan(1_000_000);
  expect((await cli.ok(['stats'])).stdout.toString()).toMatch(
    /^Snapshots {6}1, of 977 KiB in all\nStored {9}\d+ KiB in /,
  );
  expect((await cli.json(['status'])).records).toEqual([{ message_type: 'summary', entries: 0 }]);
  expect((await cli.ok(['status'])).stdout.toString()).toBe('Nobody is at work.\n');
  expect((await cli.json(['unlock'])).records).toEqual([{ message_type: 'summary', force: false }]);
  expect((await cli.json(['unlock', '--force'])).records).toEqual([{ message_type: 'summary', force: true }]);
});

test('keys are added, listed and removed; every key opens; the last one stays', async () => {
  const cli = new Cli(true);
  const second = { PACKVAULT_PASSWORD: 'second passphrase' };
  await cli.ok(['init']);
  const added = await cli.json(['key', 'add', '--label', 'for the night'], {
    env: { PACKVAULT_NEW_PASSWORD: 'second passphrase' },
  });
  const { id } = only(added.records, 'summary');
  const { records } = await cli.json(['key', 'list'], { env: second });
  expect(records).toHaveLength(3);
  expect(records.find((record) => record['id'] === id)).toMatchObject({ message_type: 'key', label: 'for the night' });
  expect((await cli.ok(['key', 'list'])).stdout.toString()).toContain('for the night');
  const first = records.find((record) => record.message_type === 'key' && record['id'] !== id);
  const removed = await cli.ok(['key', 'remove', String(first?.['id'])], { env: second });
  expect(removed.stdout.toString()).toContain(`Removed key ${String(first?.['id'])}.`);
  expect((await cli.run(['snapshots'])).code).toBe(12);
  const last = await cli.run(['key', 'remove', String(id)], { env: second });
  expect(last.code).not.toBe(0);
  expect(last.stderr).toContain('last');
  await cli.ok(['snapshots'], { env: second });
  const unknown = await cli.run(['key', 'remove', 'ffff'], { env: second });
  expect(unknown.stderr).toContain('packvault key list');
  expect(unknown.code).toBe(1);
});

test('a passphrase for a repository without encryption is refused with 2', async () => {
  const cli = await repository();
  const { code, stderr } = await cli.run(['snapshots'], { env: { PACKVAULT_PASSWORD: SECRET } });
  expect(stderr).toContain('not encrypted');
  expect(code).toBe(2);
});

test('memory limit, threads and concurrency reach the engine', async () => {
  const cli = await repository('--pack-size', '1');
  const limits = ['--memory-limit', '64', '--threads', '1', '--concurrency', '2'];
  const input = bytes(5, 2_000_000);
  await cli.ok(['ingest', ...limits], { input });
  expect((await cli.ok(['restore', 'latest', ...limits])).stdout.equals(input)).toBe(true);
  const tooSmall = await cli.run(['ingest', '--memory-limit', '16'], { input });
  expect(tooSmall.code).toBe(2);
  expect(tooSmall.stderr).toContain('16777216');
  const tooMany = await cli.run(['verify', '--threads', '1000']);
  expect(tooMany.code).toBe(2);
});
