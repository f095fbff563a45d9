/** The golden repositories as tests see them: a manifest, and a folder that is only ever copied. */
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Manifest {
  name: string;
  what: string;
  passphrases?: string[];
  /** The error code of a golden that must not open. */
  refused?: string;
  /** Packs that a prune may delete at any time, since no snapshot in force needs them. */
  deletable?: string[];
  snapshots: { id: string; tags: Record<string, string>; items: { name: string; size: number; sha256: string }[] }[];
}

export const GOLDENS: string = fileURLToPath(new URL('repositories/', import.meta.url));

export function manifests(): Manifest[] {
  return readdirSync(GOLDENS).toSorted().map(manifest);
}

export function manifest(name: string): Manifest {
  return JSON.parse(readFileSync(join(GOLDENS, name, 'manifest.json'), 'utf8')) as Manifest;
}

/** A copy of a golden's repository in a temporary folder: goldens themselves are never opened. */
export class Copy implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'packvault-golden-'));

  constructor(name: string) {
    cpSync(join(GOLDENS, name, 'repository'), this.folder, { recursive: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Names of the objects that begin so, in order. */
  objects(prefix = ''): string[] {
    const found = readdirSync(this.folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(this.folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
    return found.filter((name) => name.startsWith(prefix)).toSorted();
  }

  /** The packs, the largest first: those of full groups. */
  packs(): string[] {
    const size = (name: string): number => statSync(join(this.folder, name)).size;
    return this.objects('packs/data/').toSorted((left, right) => size(right) - size(left));
  }

  read(name: string): Buffer {
    return readFileSync(join(this.folder, name));
  }

  write(name: string, bytes: Uint8Array): void {
    writeFileSync(join(this.folder, name), bytes);
  }

  remove(names: string[]): void {
    for (const name of names) rmSync(join(this.folder, name));
  }

  /** Inverts one byte; from the end for a negative place. */
  damage(name: string, place: number): void {
    const bytes = this.read(name);
    const at = place < 0 ? bytes.length + place : place;
    bytes[at] = ~(bytes[at] ?? 0) & 0xff;
    this.write(name, bytes);
  }

  /** Puts other text where some text stands once. */
  replace(name: string, old: string, text: string): void {
    const before = this.read(name).toString('latin1');
    if (before.split(old).length !== 2) throw new Error(`${old} does not stand in ${name} once.`);
    this.write(name, Buffer.from(before.replace(old, text), 'latin1'));
  }

  /** Every object with the SHA-256 of its bytes. */
  fingerprint(): Record<string, string> {
    return Object.fromEntries(this.objects().map((name) => [name, sha256(this.read(name))]));
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
