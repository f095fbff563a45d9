/** The independent reader, written from docs/format.md alone, restores every golden repository, whole or damaged. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Repository } from '../../src/index.ts';
import { noise } from './content.ts';
import { Copy, type Manifest, manifest, manifests, sha256 } from './goldens.ts';
import { python, runPython, SETUP_TIMEOUT, writeWithPython } from './reader/setup.ts';

// restore.py's exit codes.
const [RESTORED, LOST, PASSPHRASE, TOO_NEW, TOO_OLD, NO_REPOSITORY] = [0, 1, 3, 4, 5, 6];

const readable = manifests().filter((golden) => golden.refused === undefined);
const refused = manifests().filter((golden) => golden.refused !== undefined);
const rounds = readable.filter((golden) => golden.name.startsWith('rounds-'));

interface Restored {
  status: number;
  stderr: string;
  /** SHA-256 of the files by snapshot and item, computed here from the bytes that the reader wrote. */
  items: Record<string, string>;
  /** How many files it left behind. */
  files: number;
}

/** Runs restore.py. The passphrase goes by a file, as people would do it. */
function restore(folder: string, passphrase: string | undefined, words: string[] = []): Restored {
  const work = mkdtempSync(join(tmpdir(), 'packvault-reader-'));
  try {
    const secret = join(work, 'passphrase');
    writeFileSync(secret, `${passphrase}\n`);
    const secretWords = passphrase === undefined ? [] : ['--passphrase-file', secret];
    const output = join(work, 'output');
    const { status, stdout, stderr } = runPython('restore.py', [folder, ...secretWords, '--output', output, ...words]);
    const lines = stdout.split('\n').filter((line) => line !== '');
    const items = lines.map((line) => {
      const { snapshot, item, file } = JSON.parse(line) as Record<'snapshot' | 'item' | 'file', string>;
      return [`${snapshot} ${item}`, sha256(readFileSync(join(output, snapshot, file)))] as const;
    });
    const files = readdirSync(work, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return { status, stderr, items: Object.fromEntries(items), files: files.length - 1 };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function expected(golden: Manifest): Record<string, string> {
  return Object.fromEntries(
    golden.snapshots.flatMap(({ id, items }) => items.map((item) => [`${id} ${item.name}`, item.sha256])),
  );
}

function expectWhole(copy: Copy, golden: Manifest): Restored {
  const restored = restore(copy.folder, golden.passphrases?.[0]);
  expect(restored, restored.stderr).toMatchObject({ status: RESTORED, items: expected(golden) });
  expect(restored.files).toBe(Object.keys(restored.items).length);
  return restored;
}

/** Parity rows of a golden's groups, as its config says. */
function rowsOf(copy: Copy): number {
  const { parity } = JSON.parse(copy.read('config.json').toString()) as { parity: { parity: number } | null };
  return parity?.parity ?? 0;
}

/** What a listing shows, in order of ids. */
function outline(snapshots: Manifest['snapshots']): unknown {
  return snapshots
    .map(({ id, tags, items }) => ({ id, tags, items: items.map(({ name, size }) => ({ name, size })) }))
    .toSorted((left, right) => (left.id < right.id ? -1 : 1));
}

beforeAll(() => {
  python();
}, SETUP_TIMEOUT);

describe.each(readable)('$name', (golden) => {
  test('every item comes back, silently', () => {
    using copy = new Copy(golden.name);
    expect(expectWhole(copy, golden).stderr).toBe('');
  });

  test('every item comes back without any idx, from the tables of packs', () => {
    using copy = new Copy(golden.name);
    copy.remove(copy.objects('index/'));
    expectWhole(copy, golden);
  });

  test('every item comes back from frames alone: no idx, no head, no table, no tail, no parity', () => {
    using copy = new Copy(golden.name);
    copy.remove([...copy.objects('index/'), ...copy.objects('packs/parity/')]);
    for (const pack of copy.packs()) {
      const bytes = copy.read(pack);
      // The salt at byte 8 stays; so does the region that is cut out of the table.
      bytes
        .fill(0, 0, 8)
        .fill(0, 40, 72)
        .fill(0, bytes.length - 120);
      copy.write(pack, bytes);
    }
    const { stderr } = expectWhole(copy, golden);
    expect(stderr).toContain('scanning');
  });
});

describe.each(readable.filter(({ name }) => /-[0-9]+-[0-9]+$|^plain-lists$/.test(name)))('$name, parity', (golden) => {
  test('any packs that are no more than the rows of a group may be lost, with all idx', () => {
    using copy = new Copy(golden.name);
    copy.remove([...copy.objects('index/'), ...lost(copy)]);
    expect(expectWhole(copy, golden).stderr).toContain('rebuilding it from parity');
  });

  test('any packs that are no more than the rows of a group may be lost', () => {
    using copy = new Copy(golden.name);
    copy.remove(lost(copy));
    expect(expectWhole(copy, golden).stderr).toContain('rebuilding it from parity');
  });

  test('as many blocks of each stripe may be damaged as a group has rows', () => {
    using copy = new Copy(golden.name);
    const rows = rowsOf(copy);
    const packs = copy.packs();
    for (const pack of packs.slice(0, rows)) copy.damage(pack, 150);
    for (const pack of packs.slice(rows)) if (copy.read(pack).length > 70_000) copy.damage(pack, 69_000);
    expect(expectWhole(copy, golden).stderr).toContain('rebuilding it from parity');
  });
});

/** The largest packs, those of full groups: as many as a group has rows. */
function lost(copy: Copy): string[] {
  return copy.packs().slice(0, rowsOf(copy));
}

test('more packs lost than a group has rows: the rest comes back, and what is lost is said', () => {
  const golden = manifest('plain-zstd-20-1');
  using copy = new Copy(golden.name);
  copy.remove(copy.packs().slice(0, 2));
  const restored = restore(copy.folder, undefined);
  expect(restored.status).toBe(LOST);
  expect(restored.stderr).toContain('is lost');
  const whole = expected(golden);
  const names = Object.keys(restored.items);
  expect(names.some((name) => name.endsWith(' one byte'))).toBe(true);
  expect(names.some((name) => name.endsWith(' dump.sql'))).toBe(false);
  for (const name of names) expect(restored.items[name]).toBe(whole[name]);
});

test('one snapshot, one item', () => {
  const golden = manifest('plain-none-no-parity');
  using copy = new Copy(golden.name);
  const snapshot = golden.snapshots.find(({ items }) => items.length > 1);
  const words = ['--snapshot', snapshot?.id ?? '', '--item', 'one byte'];
  const { items } = restore(copy.folder, undefined, words);
  expect(items).toEqual({ [`${snapshot?.id} one byte`]: sha256(Buffer.from('x')) });
  const missing = restore(copy.folder, undefined, ['--snapshot', '0'.repeat(32)]);
  expect(missing).toMatchObject({ status: LOST, items: {}, files: 0 });
});

test('snapshots are listed with tags and items', () => {
  const golden = manifest('plain-none-no-parity');
  using copy = new Copy(golden.name);
  const { stdout } = runPython('restore.py', [copy.folder, '--list']);
  const listed = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Manifest['snapshots'][number]);
  expect(outline(listed)).toEqual(outline(golden.snapshots));
});

describe('refused', () => {
  test.each(refused)('$name', (golden) => {
    using copy = new Copy(golden.name);
    const status = golden.refused === 'FORMAT_TOO_OLD' ? TOO_OLD : TOO_NEW;
    expect(restore(copy.folder, undefined)).toMatchObject({ status, files: 0 });
  });

  test('a wrong, a missing and an unwanted passphrase, and a folder that is no repository', () => {
    using encrypted = new Copy('encrypted-none-no-parity');
    using plain = new Copy('plain-none-no-parity');
    expect(restore(encrypted.folder, 'wrong')).toMatchObject({ status: PASSPHRASE, files: 0 });
    expect(restore(encrypted.folder, undefined)).toMatchObject({ status: PASSPHRASE, files: 0 });
    expect(restore(plain.folder, 'unwanted')).toMatchObject({ status: PASSPHRASE, files: 0 });
    expect(restore(join(plain.folder, 'packs'), undefined)).toMatchObject({ status: NO_REPOSITORY, files: 0 });
  });

  test('an encrypted repository whose config was replaced by one that says it is not', () => {
    using encrypted = new Copy('encrypted-none-no-parity');
    using plain = new Copy('plain-none-no-parity');
    for (const name of ['config.json', 'config.copy.json']) encrypted.write(name, plain.read(name));
    const golden = manifest('encrypted-none-no-parity');
    expect(restore(encrypted.folder, golden.passphrases?.[0])).toMatchObject({ status: PASSPHRASE, files: 0 });
    using half = new Copy('encrypted-none-no-parity');
    half.write('config.json', plain.read('config.json'));
    expectWhole(half, golden);
    expect(restore(half.folder, undefined)).toMatchObject({ status: PASSPHRASE, files: 0 });
  });
});

describe.each(['plain-none-no-parity', 'encrypted-none-no-parity'].map(manifest))('copies, $name', (golden) => {
  const passphrase = golden.passphrases?.[0];

  test('the newer of two configs counts', () => {
    using copy = new Copy(golden.name);
    writeWithPython('newer-copy', copy.folder, passphrase);
    expectWhole(copy, golden);
  });

  test('a copy of config of a later version that verifies is believed', () => {
    using copy = new Copy(golden.name);
    writeWithPython('newer-format-copy', copy.folder, passphrase);
    expect(restore(copy.folder, passphrase)).toMatchObject({ status: TOO_NEW, files: 0 });
  });

  test.each(['config-differs', 'snapshot-differs'])('%s: nothing is restored on a guess', (word) => {
    using copy = new Copy(golden.name);
    writeWithPython(word, copy.folder, passphrase);
    expect(restore(copy.folder, passphrase)).toMatchObject({ status: LOST, files: 0 });
  });

  test('a snapshot of which no copy opens is called lost, and the others come back', () => {
    using copy = new Copy(golden.name);
    const id = golden.snapshots[0]?.id ?? '';
    const names = copy.objects('snapshots/').filter((name) => name.includes(id));
    for (const name of names) copy.damage(name, 80);
    const restored = restore(copy.folder, passphrase);
    const others = { ...golden, snapshots: golden.snapshots.slice(1) };
    expect(restored).toMatchObject({ status: LOST, items: expected(others) });
    expect(restored.stderr).toContain(`${id} cannot be read`);
    expect(names).toHaveLength(2);
  });

  test('one copy of everything that exists twice is enough', () => {
    using copy = new Copy(golden.name);
    copy.damage('config.json', 40);
    const twice = copy.objects().filter((name) => name.endsWith('.a'));
    for (const [i, name] of twice.entries()) copy.damage(i % 2 === 0 ? name : name.replace(/a$/, 'b'), 90);
    expectWhole(copy, golden);
  });
});

describe.each(rounds)('$name', (golden) => {
  const newest = 'gc/0000000000000010.checkpoint';

  test.each(['.a', '.b'])('the newest checkpoint is read though its copy %s is lost or damaged', (suffix) => {
    using copy = new Copy(golden.name);
    copy.damage(newest + suffix, 100);
    expectWhole(copy, golden);
    copy.remove([newest + suffix]);
    expectWhole(copy, golden);
  });

  test('with both copies of the newest checkpoint damaged nobody guesses what is in force', () => {
    using copy = new Copy(golden.name);
    for (const suffix of ['.a', '.b']) copy.damage(newest + suffix, 100);
    expect(restore(copy.folder, golden.passphrases?.[0])).toMatchObject({ status: LOST, files: 0 });
  });

  test('where gc records are missing, that is said, and a void idx that is too new stops the reader', () => {
    using copy = new Copy(golden.name);
    copy.remove(copy.objects('gc/'));
    const restored = restore(copy.folder, golden.passphrases?.[0]);
    expect(restored.stderr).toContain('gc records are missing');
    expect(restored).toMatchObject({ status: TOO_NEW, files: 0 });
  });

  test('what the engine adds in an open round is read, without the packs that the round condemns', async () => {
    using copy = new Copy(golden.name);
    const passphrase = golden.passphrases?.[0];
    const repository = await Repository.open(copy.folder, {
      cache: false,
      ...(passphrase !== undefined && { passphrase }),
    });
    const late = Buffer.concat([noise('rounds/shared', 20_000), noise('rounds/late', 15_000)]);
    const { id } = await repository.ingest([late]);
    await repository.close();
    copy.remove(golden.deletable ?? []);
    const restored = restore(copy.folder, passphrase);
    const items = { ...expected(golden), [`${id} data`]: sha256(late) };
    expect(restored, restored.stderr).toMatchObject({ status: RESTORED, items });
  });
});
