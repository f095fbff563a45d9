/** Exit codes: restic's where it has one, so that wrappers know them. */
import { type ErrorCode, PackvaultError } from '../index.ts';

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  partial: 3,
  integrity: 4,
  conflict: 5,
  noRepository: 10,
  locked: 11,
  passphrase: 12,
  interrupted: 130,
  terminated: 143,
} as const;

/** What help says of them. */
export const EXIT_MEANINGS: readonly (readonly [string, string])[] = [
  ['0', 'done'],
  ['1', 'failed'],
  ['2', 'wrong use: an option or an argument'],
  ['3', 'done in part: an item not restored, a file that changed while it was stored, damage beyond repair'],
  ['4', 'damage that is there still, or a store that shows an older state than before'],
  ['5', 'conflict with another client: try again'],
  ['10', 'there is no repository'],
  ['11', 'locked by another client'],
  ['12', 'wrong or missing passphrase'],
  ['130', 'stopped by Ctrl-C; 143 by SIGTERM'],
];

const CODES: Readonly<Partial<Record<ErrorCode, number>>> = {
  INVALID_ARGUMENT: EXIT.usage,
  CORRUPT: EXIT.integrity,
  UNRECOVERABLE: EXIT.integrity,
  ROLLED_BACK: EXIT.integrity,
  CONFLICT: EXIT.conflict,
  NOT_A_REPOSITORY: EXIT.noRepository,
  LOCKED: EXIT.locked,
  WRONG_PASSPHRASE: EXIT.passphrase,
  PASSPHRASE_REQUIRED: EXIT.passphrase,
};

/** A mistake in the command line. */
export class UsageError extends Error {
  readonly code = 'INVALID_ARGUMENT';
}

/** Ctrl-C, or a request to end. */
export class Interrupted extends Error {
  readonly code = 'INTERRUPTED';
  readonly exitCode: number;

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super('Stopped. Nothing half-done is visible, and the repository is valid. Run the command again to go on.');
    this.exitCode = signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated;
  }
}

/** Whoever read our output has gone, as in `restore latest | head`: nothing is to be said to nobody. */
export class ReaderGone extends Error {
  readonly code = 'READER_GONE';
}

/** The exit code of an error. */
export function exitCode(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof Interrupted) return error.exitCode;
  return PackvaultError.is(error) ? (CODES[error.code] ?? EXIT.failed) : EXIT.failed;
}
