/** What the documents say must be so: links lead somewhere, error codes and dependencies are all there, commands exist. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { exitCode } from '../src/cli/exit-codes.ts';
import { type ErrorCode, PackvaultError } from '../src/core/errors.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const FENCE = /^ {0,3}```.*?^ {0,3}```/gms;

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Every document, without the API pages, which are built. */
function documents(): string[] {
  const folders = ['', 'docs', 'docs/adr', 'examples'].filter((folder) => existsSync(join(ROOT, folder)));
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
  );
}

// ---------------------------------------------------------------- links

/** Anchors of a document, as GitHub makes them of headings. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of text.replaceAll(FENCE, '').matchAll(/^#{1,6} +(.+?) *$/gm)) {
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = words.replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, '').replaceAll(' ', '-');
    let unique = slug;
    for (let count = 1; anchors.has(unique); count += 1) unique = `${slug}-${count}`;
    anchors.add(unique);
  }
  return anchors;
}

/** Links of a document that lead nowhere. `open` gives the text of a document, or `undefined` where there is nothing. */
function brokenLinks(path: string, text: string, open: (path: string) => string | undefined): string[] {
  const links = text.replaceAll(FENCE, '').matchAll(/\]\(([^)\s]+)(?: "[^"]*")?\)/g);
  return [...links]
    .map(([, link = '']) => link)
    .filter((link) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [target = '', anchor] = link.split('#');
      const found = target === '' ? text : open(join(dirname(path), target));
      if (found === undefined) return true;
      return anchor !== undefined && !anchorsOf(found).has(anchor);
    });
}

function openDocument(path: string): string | undefined {
  const whole = resolve(ROOT, path);
  if (relative(ROOT, whole).startsWith('..') || !existsSync(whole)) return undefined;
  return path.endsWith('.md') ? readFileSync(whole, 'utf8') : '';
}

/** A planted document, and nothing else. */
function openOther(path: string): string | undefined {
  return path === 'docs/other.md' ? '## `X`' : undefined;
}

describe('links', () => {
  test.each(documents())('%s: every relative link and anchor leads somewhere', (path) => {
    expect(brokenLinks(path, read(path), openDocument)).toEqual([]);
  });

  test('a missing file and a missing anchor are noticed', () => {
    const text = '# One two\n[a](#one-two) [b](#three) [c](other.md#x) [d](gone.md) [e](https://example.org/gone)\n';
    expect(brokenLinks('docs/page.md', text, openOther)).toEqual(['#three', 'gone.md']);
  });
});

// ---------------------------------------------------------------- error codes

/** The codes of the closed table, as the sources have them. */
function codesOfTypeScript(): string[] {
  const [, union = ''] = /export type ErrorCode =(.*?);/s.exec(read('src/core/errors.ts')) ?? [];
  return [...union.matchAll(/'([A-Z_]+)'/g)].map(([, code = '']) => code);
}

function codesOfRust(): string[] {
  return [...read('native/core/src/error.rs').matchAll(/\(Code::\w+, "([A-Z_]+)"\)/g)].map(([, code = '']) => code);
}

/** What docs/errors.md says of each code. */
function documentedCodes(): { code: ErrorCode; retry: string; exit: number }[] {
  const sections = read('docs/errors.md').matchAll(/^### ([A-Z_]+)\n\nRetry: (\w+)[^\n]*?\. Exit code (\d+)\.\n\n\S/gm);
  return [...sections].map(([, code = '', retry = '', exit]) => ({
    code: code as ErrorCode,
    retry: retry.replace(/,.*/, ''),
    exit: Number(exit),
  }));
}

/** Names in capitals that look like codes and are none: what else documents may name so. */
const OTHER_NAMES =
  /^(?:PACKVAULT_\w+|E[A-Z]+|NO_COLOR|XDG_CACHE_HOME|AWS_\w+|AZURE_\w+|GOOGLE_\w+|SSH_\w+|HTTPS?_PROXY)$/;

function unknownCodes(text: string, known: ReadonlySet<string>): string[] {
  const names = [...text.matchAll(/`([A-Z][A-Z_]*_[A-Z_]*|CORRUPT|CONFLICT|LOCKED|CLOSED|INTERNAL)`/g)];
  return names.map(([, name = '']) => name).filter((name) => !known.has(name) && !OTHER_NAMES.test(name));
}

describe('error codes', () => {
  const known = codesOfTypeScript();

  test('both halves of the code have the same table', () => {
    // ABORTED ends a call inside the engine; callers get their own signal's reason.
    expect(codesOfRust().filter((code) => code !== 'ABORTED')).toEqual(known);
    expect(known.length).toBe(22);
  });

  test('docs/errors.md describes every code, in the order of the table, and no other', () => {
    expect(documentedCodes().map(({ code }) => code)).toEqual(known);
    expect([...read('docs/errors.md').matchAll(/^### (.+)$/gm)].map(([, heading]) => heading)).toEqual(known);
  });

  test.each(documentedCodes())('$code: retry class $retry and exit code $exit are those of the code', (documented) => {
    const error = new PackvaultError({ code: documented.code, message: '' });
    expect(error.retry).toBe(documented.retry);
    expect(exitCode(error)).toBe(documented.exit);
  });

  test.each(documents())('%s names no unknown code', (path) => {
    expect(unknownCodes(read(path), new Set(known))).toEqual([]);
  });

  test('an unknown code is noticed', () => {
    const text = 'It is `NOT_THERE`, `CORRUPT` or `ENOSPC`; set `PACKVAULT_PASSWORD`.';
    expect(unknownCodes(text, new Set(known))).toEqual(['NOT_THERE']);
  });
});

// ---------------------------------------------------------------- dependencies and commands

interface Manifest {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(read('package.json')) as Manifest;

function crates(): string[] {
  const [, section = ''] = /\[workspace\.dependencies\]\n(.*?)\n\n/s.exec(read('Cargo.toml')) ?? [];
  return [...section.matchAll(/^([\w-]+) =/gm)].map(([, name = '']) => name);
}

/** What the first cells of a section's table name. */
function tabulated(text: string, section: string): string[] {
  const [, table = ''] = new RegExp(`^### ${section}\n(.*?)(?=^#|$(?![^]))`, 'ms').exec(text) ?? [];
  const cells = [...table.matchAll(/^\| (`[^|]+?) +\|/gm)].map(([, cell = '']) => cell).join();
  return [...cells.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name).toSorted();
}

describe('dependencies', () => {
  const { dependencies = {}, peerDependencies = {}, devDependencies = {} } = manifest;
  const architecture = read('docs/architecture.md');

  test('docs/architecture.md lists each npm package that users get', () => {
    const packages = Object.keys({ ...dependencies, ...peerDependencies });
    expect(tabulated(architecture, 'npm packages')).toEqual(packages.toSorted());
  });

  test('docs/architecture.md lists each tool', () => {
    const tools = Object.keys(devDependencies).filter((name) => !(name in peerDependencies));
    expect(tabulated(architecture, 'Tools')).toEqual(tools.toSorted());
  });

  test('docs/architecture.md lists each crate', () => {
    expect(tabulated(architecture, 'Crates')).toEqual(crates().toSorted());
    expect(crates()).toContain('blake3');
  });

  test('only the table of the section counts', () => {
    const text = '### A\n\n| Crate | Why |\n| --- | --- |\n| `b`, `a` | not `c` |\n\n### B\n\n| `d` | x |\n';
    expect([tabulated(text, 'A'), tabulated(text, 'B'), tabulated(text, 'C')]).toEqual([['a', 'b'], ['d'], []]);
  });
});

function verbs(): string[] {
  const [, table = ''] = /^const COMMANDS: .*? = \{\n(.*?)\n\};/ms.exec(read('src/cli/main.ts')) ?? [];
  return [...table.matchAll(/^ {2}(\w+): \[/gm)].map(([, verb = '']) => verb);
}

/** Scripts of package.json, and verbs of the command line in examples, that a document shows and that do not exist. */
function unknownCommands(text: string): string[] {
  const scripts = text.matchAll(/npm (?:run (?:--silent )?)?(test\b|(?<=run (?:--silent )?)[\w:]+)/g);
  const shown = (text.match(FENCE) ?? []).join('\n').matchAll(/^(?:\$ |.*\| )?packvault ([a-z]+)/gm);
  return [
    ...[...scripts].map(([, script = '']) => script).filter((script) => !(script in manifest.scripts)),
    ...[...shown].map(([, verb = '']) => verb).filter((verb) => !verbs().includes(verb)),
  ];
}

describe('commands', () => {
  test.each(documents())('%s shows only commands that exist', (path) => {
    expect(unknownCommands(read(path))).toEqual([]);
  });

  test('commands that do not exist are noticed', () => {
    const text = '`npm run try`, `npm run tyr`, `npm test`\n\n```\n$ packvault ingest\n$ packvault digest\n```\n';
    expect(unknownCommands(text)).toEqual(['tyr', 'digest']);
  });
});

test("README's example is examples/quickstart.mjs", () => {
  const [, shown = ''] = /```js\n(import [^`]*? from 'packvault';.*?)\n```/s.exec(read('README.md')) ?? [];
  const comments = /^(?:\/\/.*|\/\*\*.*\*\/)?\n/gm;
  expect(shown.replaceAll(comments, '')).toBe(read('examples/quickstart.mjs').replaceAll(comments, '').trimEnd());
});
