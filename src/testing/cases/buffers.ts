/** Who owns which bytes. */
import assert from 'node:assert/strict';
import type { ConformanceCase } from '../case.ts';
import { assertBytes, bytesOf } from '../expect.ts';

export const bufferCases: readonly ConformanceCase[] = [
  {
    name: 'a body may be changed when its put has settled',
    async run({ store }) {
      const body = bytesOf(1, 10_000);
      await store.put('a', body, { mode: 'create' });
      body.fill(0);
      assertBytes(await store.get('a'), bytesOf(1, 10_000), 'the object');
      const second = bytesOf(2, 10_000);
      await store.put('a', second, { mode: 'overwrite' });
      second.fill(0);
      assertBytes(await store.get('a'), bytesOf(2, 10_000), 'the object after an overwrite');
    },
  },
  {
    name: 'a put does not change its body',
    async run({ store }) {
      const body = bytesOf(1, 12_345);
      await store.put('a', body, { mode: 'create' });
      assertBytes(body, bytesOf(1, 12_345), 'the body');
    },
  },
  {
    name: 'a body may be a part of a larger buffer',
    async run({ store }) {
      const whole = bytesOf(1, 10_000);
      await store.put('a', whole.subarray(100, 5_100), { mode: 'create' });
      await store.put('b', Buffer.from(whole.buffer, 7, 993), { mode: 'create' });
      await store.put('c', whole.subarray(500, 500), { mode: 'create' });
      assertBytes(await store.get('a'), whole.slice(100, 5_100), 'the part');
      assertBytes(await store.get('b'), whole.slice(7, 1_000), 'the Buffer');
      assertBytes(await store.get('c'), new Uint8Array(0), 'the empty part');
    },
  },
  {
    name: 'the bytes of a get are its caller’s',
    async run({ store }) {
      const body = bytesOf(1, 10_000);
      await store.put('a', body, { mode: 'create' });
      const whole = await store.get('a');
      const [one, two] = [
        await store.get('a', { offset: 10, length: 50 }),
        await store.get('a', { offset: 10, length: 50 }),
      ];
      whole.fill(0);
      one.fill(0);
      assertBytes(two, body.slice(10, 60), 'another get’s bytes');
      assertBytes(await store.get('a'), body, 'the object');
    },
  },
  {
    name: 'a put with the SHA-256 of its body is stored',
    async run({ store }) {
      const body = bytesOf(1, 10_000);
      await store.put('a', body, { mode: 'create', sha256: await sha256(body) });
      await store.put('b', new Uint8Array(0), { mode: 'overwrite', sha256: await sha256(new Uint8Array(0)) });
      assertBytes(await store.get('a'), body, 'the object');
      assertBytes(await store.get('b'), new Uint8Array(0), 'the empty object');
    },
  },
  {
    name: 'a put with the SHA-256 of another body is refused, and nothing is stored',
    applies: ({ factory }) => factory.checksSha256 === true,
    async run({ store }) {
      const sha256OfAnother = await sha256(bytesOf(2, 10_000));
      await assert.rejects(store.put('a', bytesOf(1, 10_000), { mode: 'create', sha256: sha256OfAnother }));
      await assert.rejects(store.get('a'), { code: 'NOT_FOUND' });
    },
  },
];

async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from(bytes)));
}
