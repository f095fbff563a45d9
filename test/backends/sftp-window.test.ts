/** How much may be on its way from a server that is far away. */
import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { Session } from '../../src/backends/sftp/session.ts';
import type { SftpChannel } from '../../src/backends/sftp/ssh2.ts';
import { readObject } from '../../src/backends/sftp/transfer.ts';

const SIZE = 16 << 20;
const PIECE = 255 * 1024;

/** A channel as ssh2 makes it, whose reads are answered only when `release` is called. */
class SlowChannel extends EventEmitter {
  readonly _maxReadLen = 256 * 1024;
  readonly outgoing = { id: 7 };
  readonly adjusted: number[][] = [];
  readonly _protocol = { channelWindowAdjust: (...words: number[]): void => void this.adjusted.push(words) };
  readonly #waiting: (() => void)[] = [];

  get readsWaiting(): number {
    return this.#waiting.length;
  }

  release(): void {
    for (const answer of this.#waiting.splice(0)) answer();
  }

  open(_path: string, _flags: string, _attributes: unknown, answer: (error: undefined, handle: Buffer) => void): void {
    answer(undefined, Buffer.from('handle'));
  }

  fstat(_handle: Buffer, answer: (error: undefined, attributes: unknown) => void): void {
    answer(undefined, { mode: 0o100600, size: SIZE, mtime: 0 });
  }

  read(...words: unknown[]): void {
    const [length, answer] = [Number(words[3]), words[5] as (error: undefined, got: number) => void];
    this.#waiting.push(() => answer(undefined, length));
  }

  close(_handle: Buffer, answer: (error: undefined) => void): void {
    answer(undefined);
  }
}

function sessionOn(channel: SlowChannel): Session {
  const carrier = {
    location: 'sftp:test',
    idleTimeoutMs: 60_000,
    setBusy: () => undefined,
    end: async () => undefined,
  };
  return new Session(channel as unknown as SftpChannel, carrier);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test('a server is told once that it may send 14 MiB more than ssh2 tells it', () => {
  const channel = new SlowChannel();
  sessionOn(channel);
  expect(channel.adjusted).toEqual([[7, 14 << 20]]);
});

test('a read asks for 8 MiB before the first answer, and for the rest as answers come', async () => {
  const channel = new SlowChannel();
  const reading = { path: '/o', key: 'o', range: undefined, maxBytes: SIZE };
  const read = readObject(sessionOn(channel), reading, undefined);
  await turn();
  const most = Math.ceil((8 << 20) / PIECE);
  const seen: number[] = [];
  for (; channel.readsWaiting > 0; await turn()) {
    seen.push(channel.readsWaiting);
    channel.release();
  }
  expect((await read).byteLength).toBe(SIZE);
  expect(seen[0]).toBe(most);
  expect(seen.reduce((sum, count) => sum + count, 0)).toBe(Math.ceil(SIZE / PIECE));
});
