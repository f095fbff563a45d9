/** The engine reads every golden repository, writes nothing while it does, and refuses those that it must refuse. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { PackvaultError, Repository } from '../../src/index.ts';
import { noise } from './content.ts';
import { Copy, type Manifest, manifest, manifests, sha256 } from './goldens.ts';
import { python, SETUP_TIMEOUT, writeWithPython } from './reader/setup.ts';
import { RECIPES } from './recipes.ts';

const readable = manifests().filter((golden) => golden.refused === undefined);
const refused = manifests().filter((golden) => golden.refused !== undefined);
const rounds = readable.filter((golden) => golden.name.startsWith('rounds-'));

function open(folder: string, passphrase?: string): Promise<Repository> {
  return Repository.open(folder, { cache: false, ...(passphrase !== undefined && { passphrase }) });
}

async function bytesOf(repository: Repository, snapshot: string, item: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of await repository.restore(snapshot, { item })) parts.push(part as Uint8Array);
  return Buffer.concat(parts);
}

/** What the engine finds, in the form of a manifest. */
async function contents(repository: Repository): Promise<Manifest['snapshots']> {
  const found: Manifest['snapshots'] = [];
  for (const { id, tags, items } of await repository.listSnapshots()) {
    const restored: Manifest['snapshots'][number]['items'] = [];
    for (const { name } of items) {
      const bytes = await bytesOf(repository, id, name);
      restored.push({ name, size: bytes.length, sha256: sha256(bytes) });
    }
    found.push({ id, tags: { ...tags }, items: restored });
  }
  return found;
}

async function contentsOf(copy: Copy, golden: Manifest): Promise<Manifest['snapshots']> {
  const repository = await open(copy.folder, golden.passphrases?.[0]);
  try {
    return await contents(repository);
  } finally {
    await repository.close();
  }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return PackvaultError.is(error) ? error.code : String(error);
}

beforeAll(() => {
  python();
}, SETUP_TIMEOUT);

test('there is a golden for each recipe, and all of them are small', () => {
  expect(manifests().map((golden) => golden.name)).toEqual(RECIPES.map((recipe) => recipe.name).toSorted());
  const bytes = manifests().flatMap((golden) => {
    using copy = new Copy(golden.name);
    return copy.objects().map((name) => statSync(join(copy.folder, name)).size);
  });
  expect(bytes.reduce((sum, size) => sum + size)).toBeLessThan(6 << 20);
});

describe.each(readable)('$name', (golden) => {
  test('every item of every snapshot comes back, full verification finds nothing, and nothing is written', async () => {
    using copy = new Copy(golden.name);
    const before = copy.fingerprint();
    const repository = await open(copy.folder, golden.passphrases?.[0]);
    expect(await contents(repository)).toEqual(golden.snapshots);
    expect(await repository.verify({ level: 'full' })).toMatchObject({ ok: true, errors: [] });
    await repository.close();
    expect(copy.fingerprint()).toEqual(before);
  });

  test('it is read without any idx after reindex', async () => {
    using copy = new Copy(golden.name);
    copy.remove(copy.objects('index/'));
    const repository = await open(copy.folder, golden.passphrases?.[0]);
    await repository.reindex();
    expect(await contents(repository)).toEqual(golden.snapshots);
    await repository.close();
  });
});

test.each(refused)('$name is refused with $refused, and nothing is written', async (golden) => {
  using copy = new Copy(golden.name);
  const before = copy.fingerprint();
  expect(await codeOf(open(copy.folder))).toBe(golden.refused);
  expect(copy.fingerprint()).toEqual(before);
});

test('either of two passphrases opens a repository, in any normalization form of Unicode', async () => {
  const golden = manifest('encrypted-none-no-parity');
  using copy = new Copy(golden.name);
  const words = golden.passphrases ?? [];
  expect(words[0]?.normalize('NFC')).not.toBe(words[0]);
  for (const passphrase of [...words, words[0]?.normalize('NFC')]) {
    const repository = await open(copy.folder, passphrase);
    expect(await repository.listSnapshots()).toHaveLength(golden.snapshots.length);
    await repository.close();
  }
  expect(await codeOf(open(copy.folder, `${words[0]}!`))).toBe('WRONG_PASSPHRASE');
});

describe('one copy of config is enough', () => {
  const id = /"id":"(.)/;
  const cases: [string, (copy: Copy, name: string) => void][] = [
    ['is gone', (copy, name) => copy.remove([name])],
    ['is empty', (copy, name) => copy.write(name, Buffer.alloc(0))],
    ['has another tag', (copy, name) => copy.damage(name, -5)],
    ['seems to be of a later version', (copy, name) => copy.replace(name, '"packvault":1,', '"packvault":3,')],
    ['seems to be of an earlier version', (copy, name) => copy.replace(name, '"packvault":1,', '"packvault":0,')],
    [
      'has another id',
      (copy, name) => {
        const digit = id.exec(copy.read(name).toString())?.[1] ?? '';
        copy.replace(name, `"id":"${digit}`, `"id":"${digit === '0' ? '1' : '0'}`);
      },
    ],
  ];
  const goldens = ['plain-none-no-parity', 'encrypted-none-no-parity'].map(manifest);
  for (const golden of goldens)
    for (const name of ['config.json', 'config.copy.json'])
      test.each(cases)(`${golden.name}: ${name} %s`, async (_, change) => {
        using copy = new Copy(golden.name);
        change(copy, name);
        expect(await contentsOf(copy, golden)).toEqual(golden.snapshots);
      });
});

describe('copies that contradict each other', () => {
  const goldens = ['plain-none-no-parity', 'encrypted-none-no-parity'].map(manifest);
  for (const golden of goldens) {
    test(`${golden.name}: the newer of two configs counts`, async () => {
      using copy = new Copy(golden.name);
      writeWithPython('newer-copy', copy.folder, golden.passphrases?.[0]);
      expect(await contentsOf(copy, golden)).toEqual(golden.snapshots);
    });

    test.each([
      ['config-differs', 'CORRUPT'],
      ['snapshot-differs', 'CORRUPT'],
      ['newer-format-copy', 'FORMAT_TOO_NEW'],
    ])(`${golden.name}: %s gives %s`, async (word, code) => {
      using copy = new Copy(golden.name);
      writeWithPython(word, copy.folder, golden.passphrases?.[0]);
      expect(await codeOf(contentsOf(copy, golden))).toBe(code);
    });
  }

  test('a config that says none beside one that says aes-256-gcm', async () => {
    const golden = manifest('encrypted-none-no-parity');
    using copy = new Copy(golden.name);
    using plain = new Copy('plain-none-no-parity');
    copy.write('config.json', plain.read('config.json'));
    expect(await contentsOf(copy, golden)).toEqual(golden.snapshots);
    expect(await codeOf(open(copy.folder))).toBe('PASSPHRASE_REQUIRED');
    copy.write('config.copy.json', plain.read('config.json'));
    expect(await codeOf(open(copy.folder, golden.passphrases?.[0]))).toBe('INVALID_ARGUMENT');
  });
});

describe.each(rounds)('$name', (golden) => {
  const newest = 'gc/0000000000000010.checkpoint';

  test.each(['.a', '.b'])(
    'a checkpoint whose copy %s is lost is completed, and nothing else is written',
    async (copyName) => {
      using copy = new Copy(golden.name);
      const before = copy.fingerprint();
      copy.remove([newest + copyName]);
      expect(await contentsOf(copy, golden)).toEqual(golden.snapshots);
      expect(copy.fingerprint()).toEqual(before);
    },
  );

  test.each(['.a', '.b'])('a checkpoint whose copy %s is damaged is read from the other', async (copyName) => {
    using copy = new Copy(golden.name);
    copy.damage(newest + copyName, 100);
    expect(await contentsOf(copy, golden)).toEqual(golden.snapshots);
  });

  test('with both copies of the newest checkpoint damaged nobody guesses what is in force', async () => {
    using copy = new Copy(golden.name);
    for (const suffix of ['.a', '.b']) copy.damage(newest + suffix, 100);
    expect(await codeOf(contentsOf(copy, golden))).toBe('CORRUPT');
  });

  test('a backup relies on no pack that the open round condemns', async () => {
    using copy = new Copy(golden.name);
    const late = Buffer.concat([noise('rounds/shared', 20_000), noise('rounds/late', 15_000)]);
    const repository = await open(copy.folder, golden.passphrases?.[0]);
    const { id } = await repository.ingest([late]);
    await repository.close();
    expect(copy.objects('snapshots/').filter((name) => name.includes(id))).toEqual(
      ['.a', '.b'].map((suffix) => `snapshots/0000000000000011-${id}${suffix}`),
    );
    expect(golden.deletable).toHaveLength(2);
    copy.remove(golden.deletable ?? []);
    const again = await open(copy.folder, golden.passphrases?.[0]);
    expect(sha256(await bytesOf(again, id, 'data'))).toBe(sha256(late));
    await again.close();
  });
});

describe('what must be found', () => {
  test('a changed byte in a pack without parity is no golden any more', async () => {
    const golden = manifest('plain-none-no-parity');
    using copy = new Copy(golden.name);
    copy.damage(copy.packs()[0] ?? '', 2000);
    expect(await codeOf(contentsOf(copy, golden))).toBe('CORRUPT');
  });

  test('a written object changes the fingerprint', () => {
    using copy = new Copy('plain-none-no-parity');
    const before = copy.fingerprint();
    copy.write('locks-are-not-here', Buffer.from('x'));
    expect(copy.fingerprint()).not.toEqual(before);
  });
});
