import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dump } from '../support/data.ts';
import { manifestOf, pack, ROOT, run, type Tarballs } from './tarballs.ts';

// A path with a blank, as users have them.
const WORK = mkdtempSync(join(tmpdir(), 'packvault package '));
const PROJECT = join(WORK, 'project');
const HOME = join(WORK, 'home');
const ENV = {
  PATH: process.env['PATH'],
  HOME,
  npm_config_cache: join(HOME, 'cache'),
  npm_config_update_notifier: 'false',
};
let tarballs: Tarballs;

beforeAll(() => {
  tarballs = pack(WORK);
  mkdirSync(PROJECT);
  mkdirSync(HOME);
  writeFileSync(join(PROJECT, 'package.json'), JSON.stringify({ name: 'project', private: true, type: 'module' }));
  const { main, platform, dependencies } = tarballs;
  const flags = ['--offline', '--ignore-scripts', '--no-audit', '--no-fund'];
  run('npm', ['install', ...flags, main, platform, ...dependencies], PROJECT, ENV);
}, 300_000);

afterAll(() => rmSync(WORK, { recursive: true, force: true }));

/** Paths in a tarball, without its folder. */
function contents(tarball: string): string[] {
  const paths = run('tar', ['-tzf', tarball], WORK).trim().split('\n');
  return paths.map((path) => path.replace(/^package\//, '')).toSorted();
}

describe('the tarball', () => {
  test('holds the program, its types, the loader and the texts, and nothing else', () => {
    const paths = contents(tarballs.main);
    const outside = paths.filter((path) => !path.startsWith('dist/'));
    expect(outside).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'native/index.d.ts',
      'native/index.js',
      'package.json',
    ]);
    expect(paths).toEqual(expect.arrayContaining(['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js']));
    expect(paths.filter((path) => !/\.(js|d\.ts)$/.test(path) && path.startsWith('dist/'))).toEqual([]);
  });

  test('is small: the addon is a package of its own', () => {
    expect(statSync(tarballs.main).size).toBeLessThan(400_000);
    expect(statSync(tarballs.platform).size).toBeLessThan(4_000_000);
    expect(contents(tarballs.platform)).toHaveLength(3);
  });

  test('runs no script when it is installed', () => {
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) {
      expect(Object.keys(tarballs.manifest.scripts ?? {})).not.toContain(name);
    }
  });

  test('names the addon of every target, in its own version', () => {
    const { optionalDependencies = {}, version, napi } = tarballs.manifest;
    expect(Object.keys(optionalDependencies)).toHaveLength(napi.targets.length);
    for (const [name, wanted] of Object.entries(optionalDependencies)) {
      expect(name).toMatch(/^@packvault\/native-(linux|darwin|win32)-(x64|arm64)(-(gnu|musl|msvc))?$/);
      expect(wanted).toBe(version);
    }
  });

  test('and the addons are public: npm would keep a package with a scope to its owner', () => {
    const manifest = run('tar', ['-xzOf', tarballs.platform, 'package/package.json'], WORK);
    expect(JSON.parse(manifest)).toMatchObject({ publishConfig: { access: 'public' } });
    expect(tarballs.manifest).toMatchObject({ publishConfig: { access: 'public' } });
  });

  test('has every file that its exports name', () => {
    const paths = new Set(contents(tarballs.main));
    for (const [entry, file] of Object.entries(tarballs.manifest.exports)) {
      const path = file.replace(/^\.\//, '');
      expect(paths, entry).toContain(path);
      if (path.endsWith('.js')) expect(paths, entry).toContain(path.replace(/js$/, 'd.ts'));
    }
  });
});

describe('an empty project that has installed it', () => {
  test('runs the example of the README', () => {
    cpSync(join(ROOT, 'examples/quickstart.mjs'), join(PROJECT, 'quickstart.mjs'));
    writeFileSync(join(PROJECT, 'dump.sql'), dump(1, 5_000_000));
    const printed = run(process.execPath, ['quickstart.mjs'], PROJECT, { ...ENV, PACKVAULT_PASSWORD: 'secret' });
    expect(printed).toMatch(/^([0-9a-f]{32}): 5000000 bytes, \d+ stored\n\1 \d{4}-\d\d-\d\dT[\d:.]+Z\n$/);
    expect(readFileSync(join(PROJECT, 'restored.sql')).equals(dump(1, 5_000_000))).toBe(true);
  });

  test('has the command line', () => {
    const bin = join(PROJECT, 'node_modules/.bin/packvault');
    expect(run(bin, ['--version'], PROJECT, ENV)).toBe(`packvault ${manifestOf(ROOT).version}\n`);
    const env = { ...ENV, PACKVAULT_REPOSITORY: join(PROJECT, 'by command'), PACKVAULT_PASSWORD: 'x' };
    run(bin, ['init'], PROJECT, env);
    run(bin, ['ingest', 'package.json'], PROJECT, env);
    expect(run(bin, ['restore', 'latest'], PROJECT, env)).toBe(readFileSync(join(PROJECT, 'package.json'), 'utf8'));
  });

  test('loads the addon from the package of this platform, and from CommonJS too', () => {
    expect(existsSync(join(PROJECT, 'node_modules/packvault/native/index.js'))).toBe(true);
    writeFileSync(
      join(PROJECT, 'old.cjs'),
      "const { Repository } = require('packvault'); console.log(typeof Repository.open);\n",
    );
    expect(run(process.execPath, ['--experimental-require-module', 'old.cjs'], PROJECT, ENV)).toBe('function\n');
  });

  test.each([
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])('compiles with the library’s types checked: module %s, resolution %s', (module, moduleResolution) => {
    const types = join(PROJECT, 'node_modules/@types');
    if (!existsSync(types)) mkdirSync(types);
    for (const name of ['node', '../undici-types']) {
      const to = join(types, name);
      if (!existsSync(to)) symlinkSync(join(ROOT, 'node_modules/@types', name), to);
    }
    writeFileSync(join(PROJECT, 'consumer.ts'), CONSUMER);
    const options = {
      target: 'es2023',
      lib: ['es2023', 'esnext.disposable'],
      strict: true,
      noEmit: true,
      skipLibCheck: false,
    };
    const compilerOptions = { ...options, module, moduleResolution, types: ['node'], exactOptionalPropertyTypes: true };
    writeFileSync(join(PROJECT, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
    const tsc = join(ROOT, 'node_modules/.bin/tsc');
    run(tsc, ['-p', '.'], PROJECT, ENV);
    // The compiler looks at our types: what they do not have is an error.
    writeFileSync(join(PROJECT, 'consumer.ts'), `${CONSUMER}\nexport const wrong: number = packvault.openUrl;\n`);
    expect(() => run(tsc, ['-p', '.'], PROJECT, ENV)).toThrow('consumer.ts');
  });
});

const CONSUMER = `import * as packvault from 'packvault';
import { ContainerArchive, LocalBackend, PackvaultError, Repository, type ISnapshot, type Snapshot } from 'packvault';

export async function backup(where: string, source: AsyncIterable<Uint8Array>): Promise<Snapshot | undefined> {
  await using repository = await Repository.open(new LocalBackend(where), { passphrase: 'x', memoryLimit: 2 ** 28 });
  using subscription = repository.on('ingest:complete', ({ snapshotId, newChunks }) => console.log(snapshotId, newChunks));
  try {
    const snapshot: ISnapshot = await repository.ingest(source, { tags: { a: 'b' }, items: [{ name: 'x' }] });
    for await (const part of await repository.restore(snapshot.id)) console.log((part as Uint8Array).byteLength);
    return snapshot;
  } catch (error) {
    if (PackvaultError.is(error) && error.code === 'OUT_OF_SPACE') return undefined;
    throw error;
  } finally {
    subscription.unsubscribe();
  }
}

export const same: boolean = ContainerArchive === Repository;
export const open = packvault.openUrl;
`;
