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
  #ended = false;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async read(block: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < block.byteLength && !this.#ended) {
      const { bytesRead } = await this.#file.read(block, filled, block.byteLength - filled, null);
      // Also where the file grows later: the item ended here.
      this.#ended = bytesRead === 0;
      filled += bytesRead;
    }
    return filled;
  }

  release(): void {
    this.#ended = true;
  }
}
