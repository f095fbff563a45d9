/**
 * Ends the servers of a process that died without doing so, however it died: the guard reads what is to be cleared away from
 * its standard input, and the end of that is the end of its owner. A line is `+` or `-` and JSON: `{ pid }` or `{ folder }`.
 */
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { signalTree } from './tree.mjs';

const charge = new Set();
for await (const line of createInterface({ input: process.stdin })) {
  if (line.startsWith('+')) charge.add(line.slice(1));
  else charge.delete(line.slice(1));
}
const left = [...charge].map((entry) => JSON.parse(entry));
for (const { pid } of left) if (pid !== undefined) signalTree(pid, 'SIGKILL');
for (const { folder } of left) {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}
