/** The worked example of docs/format.md §22 is what the reader's own writer makes, and what reader and engine read. */
import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { python, runPython, SETUP_TIMEOUT } from './reader/setup.ts';
import { sha256 } from './goldens.ts';

const page = readFileSync(new URL('../../docs/format.md', import.meta.url), 'utf8');
const section = page.slice(page.indexOf('\n## 22 '), page.indexOf('\n## 23 '));
const blocks = [...section.matchAll(/```text\n(.*?)```/gs)].map((match) => match[1] ?? '');

/** Offset and bytes of each line of the pack's block. */
const fields = [...(blocks[0] ?? '').matchAll(/^([0-9a-f]{4}) {2}([0-9a-f]+)/gm)].map((match) => ({
  offset: Number.parseInt(match[1] ?? '', 16),
  hex: match[2] ?? '',
}));
const hex = fields.map((field) => field.hex).join('');

beforeAll(() => {
  python();
}, SETUP_TIMEOUT);

test('the page shows what example.py makes', () => {
  expect(blocks).toHaveLength(2);
  const { status, stdout } = runPython('example.py', []);
  expect(status).toBe(0);
  expect(blocks.join('\n')).toBe(stdout);
});

test("every field stands at its offset, and the pack's name is the hash of its bytes", () => {
  let at = 0;
  for (const field of fields) {
    expect(field.offset).toBe(at);
    at += field.hex.length / 2;
  }
  const name = /^name {2}([0-9a-f]{64})/m.exec(blocks[0] ?? '')?.[1];
  expect(sha256(Buffer.from(hex, 'hex'))).toBe(name);
});

test('the reader finds both frames in the bytes of the page, by table and by scan', () => {
  const { status, stdout, stderr } = runPython('example.py', ['--read'], hex);
  expect(status, stderr).toBe(0);
  const frames = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: string; kind: number; raw: string });
  expect(frames.map((frame) => frame.kind)).toEqual([1, 2]);
  expect(Buffer.from(frames[0]?.raw ?? '', 'hex').toString()).toBe('hello, packvault\n');
  expect(
    Buffer.from(frames[1]?.raw ?? '', 'hex')
      .subarray(16, 48)
      .toString('hex'),
  ).toBe(frames[0]?.id);
});

test('a digit of the page that is wrong, in data, list or table, does not pass', () => {
  for (const place of [260, 470, 700]) {
    const digit = hex[place] === '0' ? '1' : '0';
    const { status } = runPython('example.py', ['--read'], hex.slice(0, place) + digit + hex.slice(place + 1));
    expect(status).not.toBe(0);
  }
});
