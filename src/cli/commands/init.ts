import { type InitOptions, Repository } from '../../index.ts';
import { naming } from '../context.ts';
import { EXIT, UsageError } from '../exit-codes.ts';
import type { Command } from '../options.ts';
import { newPassphrase } from '../passphrase.ts';

export const command: Command = {
  synopsis: ['init --repo LOCATION [OPTIONS]'],
  about: `Makes a repository. It is encrypted; a lost passphrase loses the data: nobody can reset it.
These options are chosen once and stay.`,
  options: {
    'no-encryption': { type: 'boolean', about: 'no passphrase: protects against accidents, not against people' },
    compression: { type: 'string', value: 'CODEC', about: 'zstd (default), gzip, none; with a level: zstd:3' },
    parity: {
      type: 'string',
      value: 'DATA,PARITY',
      about: 'any PARITY of so many packs may be lost; default 17,3; off',
    },
    'pack-size': { type: 'string', value: 'MIB', about: 'target size of packs; default 16' },
    'chunk-id': { type: 'string', value: 'HASH', about: 'blake3 (default) or sha256' },
  },
  async run(context) {
    const location = context.location();
    const { signal } = context;
    const packSize = context.number('pack-size');
    const chunkId = context.text('chunk-id') as InitOptions['chunkId'];
    const options: InitOptions = {
      ...context.engine(),
      ...(packSize !== undefined && { packSize: packSize * 2 ** 20 }),
      ...(chunkId !== undefined && { chunkId }),
      compression: compression(context.text('compression')),
      parity: parity(context.text('parity')),
      signal,
    };
    const encrypted = !context.flag('no-encryption');
    const secret = encrypted ? { passphrase: await newPassphrase('PACKVAULT_PASSWORD', signal) } : {};
    const repository = await naming(location, () => Repository.init(location, { ...options, ...secret }));
    await repository.close();
    context.output.result('summary', { repository: location, encrypted }, () =>
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
    throw new UsageError(`--compression takes zstd, gzip or none, not ${JSON.stringify(text)}.`);
  if (level === undefined) return codec;
  if (codec === 'none' || !/^-?\d+$/.test(level))
    throw new UsageError(`--compression takes CODEC:LEVEL, such as zstd:3, not ${JSON.stringify(text)}.`);
  return { codec, level: Number(level) };
}

function parity(text: string | undefined): InitOptions['parity'] {
  if (text === undefined) return undefined;
  if (text === 'off') return false;
  const [, data, rows] = /^(\d+),(\d+)$/.exec(text) ?? [];
  if (data === undefined || rows === undefined)
    throw new UsageError(`--parity takes DATA,PARITY, such as 17,3, or off, not ${JSON.stringify(text)}.`);
  return { data: Number(data), parity: Number(rows) };
}
