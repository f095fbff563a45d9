/** What each golden repository holds. Small packs fill parity groups; small chunks make long lists. */
import type { InitOptions } from '../../src/index.ts';
import { edited, noise, repeated, text } from './content.ts';

export interface Backup {
  tags?: Record<string, string>;
  /** Also stored in the snapshot. The manifest always has it. */
  sha256?: boolean;
  items: { name: string; type?: string; content: Buffer }[];
}

export interface Recipe {
  name: string;
  what: string;
  passphrases?: string[];
  init: Omit<InitOptions, 'passphrase' | 'cache'>;
  backups: () => Backup[];
  /** A change that no API makes, done afterwards by reader/write_rounds.py. */
  rewrite?: 'rounds' | 'pre-release' | 'format-2' | 'required-feature';
  /** The error that opening must give. */
  refused?: 'FORMAT_TOO_OLD' | 'FORMAT_TOO_NEW';
}

const KIB = 1024;
const PASSPHRASE = 'correct horse battery staple';
const KDF = { memoryKiB: 64 * KIB, iterations: 3, parallelism: 1 };
const SMALL = { min: 1 * KIB, average: 4 * KIB, max: 16 * KIB };
const TINY = { min: 256, average: 512, max: 1 * KIB };

/** Three backups of one dump that changes a little, beside items with odd names. */
function dumps(seed: string, noiseSize: number, textSize: number): Backup[] {
  const dump = Buffer.concat([text(`${seed}/text`, textSize), noise(`${seed}/noise`, noiseSize)]);
  const second = edited(dump, dump.length >> 1, `-- changed in ${seed}`);
  return [
    { tags: { service: 'db', tier: 'gold' }, sha256: true, items: [{ name: 'dump.sql', content: dump }] },
    {
      tags: { service: 'db', note: 'Grüße 🙂 "quoted" \\ back' },
      items: [
        { name: 'dump.sql', type: 'database', content: second },
        { name: 'empty', content: Buffer.alloc(0) },
        { name: '日本語/🗄️ ../naïve name\twith tab', content: text(`${seed}/odd`, 3000) },
        { name: 'one byte', content: Buffer.from('x') },
      ],
    },
    { items: [{ name: 'data', content: Buffer.concat([second, noise(`${seed}/tail`, 9000)]) }] },
  ];
}

const rounds = (what: string, encrypted: boolean): Recipe => ({
  name: `rounds-${encrypted ? 'encrypted' : 'plain'}`,
  what,
  ...(encrypted && { passphrases: [PASSPHRASE] }),
  init: {
    chunking: SMALL,
    packSize: 64 * KIB,
    parity: { data: 4, parity: 2 },
    ...(encrypted && { kdf: KDF }),
  },
  backups: () =>
    ['kept', 'forgotten', 'newer', 'late', 'again'].map((word) => ({
      tags: { word },
      items: [
        { name: word, content: Buffer.concat([noise('rounds/shared', 20_000), noise(`rounds/${word}`, 15_000)]) },
      ],
    })),
  rewrite: 'rounds',
});

const refused = (rewrite: 'pre-release' | 'format-2' | 'required-feature', what: string): Recipe => ({
  name: `refused-${rewrite}`,
  what,
  init: { chunking: SMALL, packSize: 64 * KIB, parity: false },
  backups: () => [{ items: [{ name: 'data', content: text('refused', 2000) }] }],
  rewrite,
  refused: rewrite === 'pre-release' ? 'FORMAT_TOO_OLD' : 'FORMAT_TOO_NEW',
});

export const RECIPES: Recipe[] = [
  {
    name: 'plain-zstd-20-1',
    what: 'Nothing encrypted; a full group of twenty packs under one XOR parity, and short groups.',
    init: { chunking: SMALL, packSize: 64 * KIB, parity: { data: 20, parity: 1 }, compression: 'zstd' },
    backups: () => dumps('plain-zstd-20-1', 1175 * KIB, 90 * KIB),
  },
  {
    name: 'encrypted-zstd-17-3',
    what: 'Encrypted with the default codec and ids; a full group of the default shape.',
    passphrases: [PASSPHRASE],
    init: { chunking: SMALL, packSize: 64 * KIB, parity: { data: 17, parity: 3 }, kdf: KDF },
    backups: () => dumps('encrypted-zstd-17-3', 1000 * KIB, 90 * KIB),
  },
  {
    name: 'encrypted-gzip-4-2',
    what: 'Encrypted, HMAC-SHA-256 ids, deflate; packs of several parity stripes.',
    passphrases: [PASSPHRASE],
    init: {
      chunking: SMALL,
      packSize: 80 * KIB,
      parity: { data: 4, parity: 2 },
      compression: 'gzip',
      chunkId: 'sha256',
      kdf: KDF,
    },
    backups: () => dumps('encrypted-gzip-4-2', 330 * KIB, 60 * KIB),
  },
  {
    name: 'plain-none-no-parity',
    what: 'Nothing encrypted, nothing compressed, no parity, SHA-256 ids.',
    init: { chunking: SMALL, packSize: 64 * KIB, parity: false, compression: 'none', chunkId: 'sha256' },
    backups: () => dumps('plain-none-no-parity', 60 * KIB, 60 * KIB),
  },
  {
    name: 'encrypted-none-no-parity',
    what: 'Encrypted, nothing compressed, no parity; two passphrases, one of them not in normalization form C.',
    passphrases: ['Zoe\u0308s Bu\u0308cher 🙂', PASSPHRASE],
    init: { chunking: SMALL, packSize: 64 * KIB, parity: false, compression: 'none', kdf: KDF },
    backups: () => dumps('encrypted-none-no-parity', 60 * KIB, 60 * KIB),
  },
  {
    name: 'plain-lists',
    what: 'Lists of more than one level: one cut by its entries, one by the cap of 8,192.',
    init: {
      chunking: TINY,
      packSize: 64 * KIB,
      parity: { data: 4, parity: 2 },
      compression: { codec: 'gzip', level: 9 },
    },
    backups: () => [
      { items: [{ name: 'cut by entries', content: repeated(text('plain-lists/3', 300 * KIB), 1500 * KIB) }] },
      { items: [{ name: 'cut by the cap', content: repeated(noise('plain-lists/cap', 16 * KIB), 6000 * KIB) }] },
    ],
  },
  rounds('Ten rounds of deletion and an open one; void objects, holds, withdrawals, two epochs.', false),
  rounds('The same as rounds-plain, encrypted.', true),
  refused('pre-release', 'config says format 0: a pre-release.'),
  refused('format-2', 'config says format 2.'),
  refused('required-feature', 'config requires a feature that no version has.'),
];
