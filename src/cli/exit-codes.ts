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
} as const;

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
export class UsageError extends Error {}

/** Ctrl-C, or a request to end. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super('Stopped. Nothing half-done is visible, and the repository is valid. Run the command again to go on.');
    this.exitCode = signal === 'SIGINT' ? EXIT.interrupted : 143;
  }
}

/** The exit code of an error. */
export function exitCode(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof Interrupted) return error.exitCode;
  return PackvaultError.is(error) ? (CODES[error.code] ?? EXIT.failed) : EXIT.failed;
}
