/** Folders that vanish with the test that made them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A new, empty folder. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'packvault-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
