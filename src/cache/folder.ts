/** Where the platform wants caches to be. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Bytes that the cache of one repository may keep. */
export const CACHE_BYTES: number = 2 ** 30;

/** The folder of all caches of packvault, by the platform's rules: XDG_CACHE_HOME, Library/Caches, LOCALAPPDATA. */
export function defaultCacheFolder(
  environment: NodeJS.ProcessEnv = process.env,
  platform: string = process.platform,
): string {
  if (platform === 'win32') {
    return join(environment['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'packvault', 'cache');
  }
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'packvault');
  const { XDG_CACHE_HOME: xdg } = environment;
  // The specification says to ignore a path that is not absolute.
  return xdg?.startsWith('/') === true ? join(xdg, 'packvault') : join(homedir(), '.cache', 'packvault');
}
