/** The one class that is thrown, and the closed table of its codes. */

/** What went wrong. docs/errors.md says of each code when it is raised and what helps. */
export type ErrorCode =
  // raised by backends
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'UNAUTHENTICATED'
  | 'RATE_LIMITED'
  | 'UNAVAILABLE'
  | 'RANGE_INVALID'
  | 'OUT_OF_SPACE'
  | 'UNSUPPORTED'
  // raised by the engine
  | 'WRONG_PASSPHRASE'
  | 'PASSPHRASE_REQUIRED'
  | 'CORRUPT'
  | 'UNRECOVERABLE'
  | 'CONFLICT'
  | 'LOCKED'
  | 'ROLLED_BACK'
  | 'NOT_A_REPOSITORY'
  | 'FORMAT_TOO_NEW'
  | 'FORMAT_TOO_OLD'
  | 'INVALID_ARGUMENT'
  | 'CLOSED'
  | 'INTERNAL';

/**
 * Whether the same call may help. `never`: it will fail again. `safe`: it may be repeated as it stands. `exhausted`: a layer
 * below has repeated it already; do not try again.
 */
export type RetryClass = 'never' | 'safe' | 'exhausted';

/** Pairs that locate an error: a key, a size, an errno. Never a secret. */
export type ErrorContext = Readonly<Record<string, string | number>>;

export interface PackvaultErrorInit {
  readonly code: ErrorCode;
  /** What happened, what was not harmed, what to do next. */
  readonly message: string;
  /** Default: `safe` for `RATE_LIMITED` and `UNAVAILABLE`, else `never`. */
  readonly retry?: RetryClass;
  readonly context?: ErrorContext;
  /** The original error, when there is one. */
  readonly cause?: unknown;
}

// Registered, so that two copies of the package in one process recognize each other's errors.
const BRAND = Symbol.for('packvault.PackvaultError');

/** The one class that is thrown. Switch on `code`; the original is in `cause`. */
export class PackvaultError extends Error {
  override readonly name: string = 'PackvaultError';
  readonly code: ErrorCode;
  readonly retry: RetryClass;
  /** Never holds a secret. */
  readonly context: ErrorContext;

  constructor(init: PackvaultErrorInit) {
    super(init.message, 'cause' in init ? { cause: init.cause } : undefined);
    this.code = init.code;
    this.retry = init.retry ?? (init.code === 'RATE_LIMITED' || init.code === 'UNAVAILABLE' ? 'safe' : 'never');
    this.context = Object.freeze({ ...init.context });
  }

  /** Whether `value` is a `PackvaultError`, of this copy of the package or of another. Never throws. */
  static is(value: unknown): value is PackvaultError {
    return value instanceof Error && BRAND in value;
  }
}

Object.defineProperty(PackvaultError.prototype, BRAND, { value: true });
