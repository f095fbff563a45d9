/**
 * Completes package-lock.json after `npm install --package-lock-only`.
 *
 * npm leaves out of the lock file every optional platform package that the registry in use does not carry, and `npm ci` then
 * refuses the lock file ("Missing: … from lock file"), on every platform. An entry that says for which platform a package is
 * meant is enough: `npm ci` skips it elsewhere, and fetches it by name and version where it is needed.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const LOCK = new URL('../package-lock.json', import.meta.url);

// Node's names for what package names call a platform.
const SYSTEMS = new Set('aix android darwin freebsd linux netbsd openbsd openharmony sunos win32'.split(' '));
const PROCESSORS = new Set('arm arm64 ia32 loong64 mips64el ppc64 riscv64 s390x wasm32 x64'.split(' '));
const LIBRARIES = new Map([
  ['gnu', 'glibc'],
  ['musl', 'musl'],
]);

/** The platform fields of a lock entry, as the package's name tells them. Throws when the name tells none. */
function platformOf(name) {
  const words = name.split(/[/-]/);
  const cpu = words.filter((word) => PROCESSORS.has(word));
  const os = words.filter((word) => SYSTEMS.has(word));
  const libc = words.flatMap((word) => LIBRARIES.get(word) ?? []);
  if (cpu.length === 0)
    throw new Error(`${name} is missing from the lock file and is no platform package: run npm install`);
  return { cpu, ...(os.length > 0 && { os }), ...(os.includes('linux') && libc.length > 0 && { libc }) };
}

/** Optional dependencies with an exact version that have no entry, neither beside their parent nor at the top. */
function* missingFrom(packages) {
  for (const [parent, { optionalDependencies = {}, dev = false }] of Object.entries(packages)) {
    if (parent === '') continue;
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const present = `${parent}/node_modules/${name}` in packages || `node_modules/${name}` in packages;
      if (!present && /^\d+\.\d+\.\d/.test(version)) yield { name, version, dev };
    }
  }
}

const lock = JSON.parse(readFileSync(LOCK, 'utf8'));
const { '': root, ...packages } = lock.packages;
let added = 0;
for (const { name, version, dev } of missingFrom(packages)) {
  packages[`node_modules/${name}`] = { version, ...platformOf(name), ...(dev && { dev }), optional: true };
  added += 1;
}
const byPath = Object.entries(packages).toSorted(([left], [right]) => left.localeCompare(right, 'en'));
lock.packages = { '': root, ...Object.fromEntries(byPath) };
writeFileSync(LOCK, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`package-lock.json: ${added} platform packages added`);
