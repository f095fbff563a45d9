/**
 * Makes the golden repositories: node test/golden/make.mjs [--force] [NAME...]
 *
 * A golden repository is a promise: every later version reads it. So the script refuses to make one again that is there.
 * Until release 1.0 the format may still change for a good reason: then goldens are made again with --force in the commit that
 * changes the format, and docs/adr says why. From release 1.0 on a golden is never made again; a new case gets a new name.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';
import { Repository, type Snapshot } from '../../src/index.ts';
import { GOLDENS, type Manifest, sha256 } from './goldens.ts';
import { type Backup, RECIPES, type Recipe } from './recipes.ts';
import { writeWithPython } from './reader/setup.ts';

async function make(words: string[]): Promise<void> {
  const force = words.includes('--force');
  const names = words.filter((word) => word !== '--force');
  const unknown = names.filter((name) => !RECIPES.some((recipe) => recipe.name === name));
  if (unknown.length > 0) throw new Error(`There is no recipe named ${unknown.join(', ')}.`);
  const chosen = RECIPES.filter((recipe) => names.length === 0 || names.includes(recipe.name));
  const present = chosen.filter((recipe) => existsSync(join(GOLDENS, recipe.name)));
  if (present.length > 0 && !force) {
    const list = present.map((recipe) => recipe.name).join(', ');
    throw new Error(
      `Already there, and nothing was changed: ${list}. Read the rule in make.ts before you use --force.`,
    );
  }
  for (const recipe of chosen) {
    await makeOne(recipe);
    console.log(recipe.name);
  }
}

async function makeOne(recipe: Recipe): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'packvault-make-'));
  const passphrase = recipe.passphrases?.[0];
  const backups = recipe.backups();
  const snapshots: Snapshot[] = [];
  try {
    const options = { ...recipe.init, cache: false as const, ...(passphrase !== undefined && { passphrase }) };
    const repository = await Repository.init(folder, options);
    for (const backup of backups) snapshots.push(await ingest(repository, backup));
    for (const other of recipe.passphrases?.slice(1) ?? []) await repository.keys.add(other, { label: 'second' });
    await repository.close();
    const manifest = describe(recipe, backups, snapshots);
    if (recipe.rewrite !== undefined) rewrite(recipe, folder, manifest);
    const target = join(GOLDENS, recipe.name);
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target, { recursive: true });
    cpSync(folder, join(target, 'repository'), { recursive: true });
    writeFileSync(join(target, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function ingest(repository: Repository, backup: Backup): Promise<Snapshot> {
  return await repository.ingestMulti(
    backup.items.map(({ name, type, content }) => ({ name, ...(type !== undefined && { type }), stream: content })),
    { tags: backup.tags ?? {}, sha256: backup.sha256 ?? false },
  );
}

function describe(recipe: Recipe, backups: Backup[], snapshots: Snapshot[]): Manifest {
  return {
    name: recipe.name,
    what: recipe.what,
    ...(recipe.passphrases !== undefined && { passphrases: recipe.passphrases }),
    ...(recipe.refused !== undefined && { refused: recipe.refused }),
    snapshots: backups.map((backup, i) => ({
      id: snapshots[i]?.id ?? '',
      tags: backup.tags ?? {},
      items: backup.items.map(({ name, content }) => ({ name, size: content.length, sha256: sha256(content) })),
    })),
  };
}

/** The Python writer turns the repository into one that no API makes, and says which snapshots stay in force. */
function rewrite(recipe: Recipe, folder: string, manifest: Manifest): void {
  const { inForce, deletable } = writeWithPython(recipe.rewrite ?? '', folder, recipe.passphrases?.[0]);
  manifest.snapshots = manifest.snapshots.filter((snapshot) => inForce.includes(snapshot.id));
  if (deletable.length > 0) manifest.deletable = deletable;
}

// Run by make.mjs only: the name of this file is not that of a test.
test('golden repositories are made', () => make(JSON.parse(process.env['GOLDEN_MAKE'] ?? '[]') as string[]));
