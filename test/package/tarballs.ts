/** Packs what would be published: the package, and the addon of this platform. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url));

/** What a package.json says, as far as tests look. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly napi: { readonly targets: readonly string[] };
}

export interface Tarballs {
  /** The manifest as it is published. */
  readonly manifest: Manifest;
  readonly main: string;
  readonly platform: string;
  /** Runtime dependencies, since tests have no network. */
  readonly dependencies: readonly string[];
}

export function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** Runs a command to its end; throws what it said if it fails. */
export function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? ''}${stdout}${stderr}`);
  return stdout;
}

/** Follows docs/releasing.md in a copy. The addons of other platforms are empty files: nobody loads them here. */
export function pack(work: string): Tarballs {
  const source = join(work, 'source');
  mkdirSync(join(source, 'native'), { recursive: true });
  for (const name of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'dist']) {
    cpSync(join(ROOT, name), join(source, name), { recursive: true });
  }
  const built = readdirSync(join(ROOT, 'native')).filter((name) =>
    /^(index\.(d\.ts|js)|packvault\.[^/]*\.node)$/.test(name),
  );
  for (const name of built) cpSync(join(ROOT, 'native', name), join(source, 'native', name));
  symlinkSync(join(ROOT, 'node_modules'), join(source, 'node_modules'));
  const napi = (...args: string[]): string => run(join(ROOT, 'node_modules/.bin/napi'), args, source);
  napi('create-npm-dirs');
  const platforms = readdirSync(join(source, 'npm'));
  mkdirSync(join(source, 'artifacts'));
  for (const platform of platforms) {
    const addon = `packvault.${platform}.node`;
    const here = join(source, 'native', addon);
    if (existsSync(here)) cpSync(here, join(source, 'artifacts', addon));
    else writeFileSync(join(source, 'artifacts', addon), 'for another platform');
  }
  napi('artifacts', '--output-dir', 'artifacts', '--build-output-dir', 'native');
  napi('prepublish', '-t', 'npm', '--no-gh-release', '--skip-optional-publish');
  const ours = platforms.find((platform) => built.includes(`packvault.${platform}.node`));
  if (ours === undefined) throw new Error('There is no addon in native/: run npm run build.');
  const manifest = manifestOf(source);
  return {
    manifest,
    main: packed(source, work),
    platform: packed(join(source, 'npm', ours), work),
    dependencies: closure(manifest).map((folder) => packed(folder, work)),
  };
}

function packed(folder: string, to: string): string {
  const [answer] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', to], folder)) as {
    filename: string;
  }[];
  return join(to, answer?.filename ?? '');
}

/** Folders of everything that is needed at run time, as it is installed here. */
function closure(manifest: Manifest): string[] {
  const found = new Map<string, string>();
  const todo = Object.keys(manifest.dependencies ?? {});
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (found.has(name)) continue;
    const folder = join(ROOT, 'node_modules', name);
    found.set(name, folder);
    todo.push(...Object.keys(manifestOf(folder).dependencies ?? {}));
  }
  return [...found.values()];
}
