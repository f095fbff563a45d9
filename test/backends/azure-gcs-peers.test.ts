import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const PEERS = [
  [
    'azure',
    'AzureBackend',
    "{ container: 'container', account: 'account', accountKey: 'a2V5' }",
    '@azure/storage-blob',
  ],
  ['azure', 'AzureBackend', "{ container: 'container', account: 'account' }", '@azure/identity'],
  ['gcs', 'GcsBackend', "{ bucket: 'bucket' }", '@google-cloud/storage'],
] as const;

describe.each(PEERS)('of packvault/%s, %s with %s', (path, name, options, missing) => {
  test(`loads ${missing} only when needed; where it is missing, the error says how to install it`, () => {
    const hook = `export async function resolve(name, context, next) {
      if (name === '${missing}') throw Object.assign(new Error('no ' + name), { code: 'ERR_MODULE_NOT_FOUND' });
      return next(name, context);
    }`;
    const program = `
      import { register } from 'node:module';
      register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));
      const { ${name} } = await import('packvault/${path}');
      const store = new ${name}(${options});
      await store.get('a').catch((error) => console.log(error.code, error.message));`;
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([key]) => !/^(AZURE|GOOGLE|STORAGE)_/.test(key)),
    );
    const settings = { cwd: new URL('../..', import.meta.url), encoding: 'utf8', env } as const;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], settings);
    expect(stdout).toMatch(new RegExp(`^UNSUPPORTED .*npm install ${missing}$`, 'm'));
  });

  test('names no SDK in a declaration that a user’s compiler reads', () => {
    const seen = new Set<string>();
    const read = (url: URL): string => {
      if (seen.has(url.href)) return '';
      seen.add(url.href);
      const text = readFileSync(url, 'utf8');
      const imports = [...text.matchAll(/from '(\.[^']+)\.(?:js|ts)'/g)].map(
        ([, file]) => new URL(`${file}.d.ts`, url),
      );
      return text + imports.map(read).join('');
    };
    const declarations = read(new URL(`../../dist/backends/${path}/index.d.ts`, import.meta.url));
    expect(declarations).toContain(`class ${name}`);
    expect(declarations).not.toMatch(/from '[^.]|import\('[^.]/);
  });
});
