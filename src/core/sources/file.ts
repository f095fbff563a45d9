/** Files are read straight into lent blocks. */
import type { FileHandle } from 'node:fs/promises';
import type { ItemReader } from '../streams.ts';

/** Whether a source is an open file. */
export function isFileHandle(source: unknown): source is FileHandle {
  return typeof source === 'object' && source !== null && 'fd' in source && 'read' in source && 'datasync' in source;
}

/** Reads from the file's current position to its end. The handle stays open: it is the caller's. */
export class FileReader implements ItemReader {
  readonly #file: FileHandle;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async read(block: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < block.byteLength) {
      const { bytesRead } = await this.#file.read(block, filled, block.byteLength - filled, null);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  }

  release(): void {}
}
