import { type InitOptions, Repository } from '../../index.ts';
import { EXIT, UsageError } from '../exit-codes.ts';
import type { Command } from '../main.ts';
import { newPassphrase } from '../passphrase.ts';

export const command: Command = {
  usage: `Usage: packvault init --repo LOCATION [OPTIONS]
Makes a repository. It is encrypted; a lost passphrase loses the data.
  --no-encryption        without passphrase: protects against accidents only
  --compression CODEC    zstd (default), gzip, none, or CODEC:LEVEL
  --parity DATA,PARITY   Reed-Solomon groups, default 17,3 on local disk; off: no parity
  --pack-size MIB        target size of packs, default 16 on local disk
  --chunk-id HASH        blake3 (default) or sha256`,
  options: {
    'no-encryption': { type: 'boolean' },
    compression: { type: 'string' },
    parity: { type: 'string' },
    'pack-size': { type: 'string' },
    'chunk-id': { type: 'string' },
  },
  async run(context) {
    const location = context.location();
    const packSize = context.number('pack-size');
    const chunkId = context.text('chunk-id') as InitOptions['chunkId'];
    const passphrase = context.flag('no-encryption') ? undefined : await newPassphrase();
    const repository = await Repository.init(location, {
      ...context.engine(),
      ...(passphrase !== undefined && { passphrase }),
      ...(packSize !== undefined && { packSize: packSize * 2 ** 20 }),
      ...(chunkId !== undefined && { chunkId }),
      compression: compression(context.text('compression')),
      parity: parity(context.text('parity')),
      signal: context.signal,
    });
    await repository.close();
    const encrypted = passphrase !== undefined;
    context.result('summary', { repository: location, encrypted }, () =>
      encrypted
        ? `Made an encrypted repository at ${location}.\nKeep the passphrase safe: without it nobody can restore anything, and nobody can reset it.`
        : `Made a repository without encryption at ${location}. Whoever can read it can read the backups.`,
    );
    return EXIT.ok;
  },
};

function compression(text: string | undefined): InitOptions['compression'] {
  if (text === undefined) return undefined;
  const [codec, level] = text.split(':');
  if (codec !== 'zstd' && codec !== 'gzip' && codec !== 'none')
    throw new UsageError('--compression takes zstd, gzip or none.');
  if (level === undefined) return codec;
  if (codec === 'none' || !/^-?\d+$/.test(level))
    throw new UsageError('--compression takes CODEC:LEVEL, such as zstd:3.');
  return { codec, level: Number(level) };
}

function parity(text: string | undefined): InitOptions['parity'] {
  if (text === undefined) return undefined;
  if (text === 'off') return false;
  const [data, rows] = text.split(',').map(Number);
  if (data === undefined || rows === undefined)
    throw new UsageError('--parity takes DATA,PARITY, such as 17,3, or off.');
  return { data, parity: rows };
}
