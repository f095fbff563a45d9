/** Names of errors, status codes and the system's error codes, and what they mean for a repository. */
import type { ErrorCode, RetryClass } from '../../core/errors.ts';

export interface Meaning {
  readonly code: ErrorCode;
  readonly retry: RetryClass;
  /** What happened, without its subject. */
  readonly what: string;
  readonly advice: string;
}

const DENIED: Meaning = {
  code: 'PERMISSION_DENIED',
  retry: 'never',
  what: 'the login may not do this',
  advice:
    'A repository needs storage.objects.get, create and list, pruning also storage.objects.delete (roles/storage.objectUser has them all); without list a missing object is refused like this, too',
};
const REFUSED: Meaning = {
  code: 'UNAUTHENTICATED',
  retry: 'never',
  what: 'the server refuses the login',
  advice:
    'Check the account and its key, or that the SAS has not expired; a clock that is wrong by minutes has the same effect',
};
const NO_LOGIN: Meaning = {
  code: 'UNAUTHENTICATED',
  retry: 'never',
  what: 'no login was found, or the one that was found is refused',
  advice:
    'Set GOOGLE_APPLICATION_CREDENTIALS to the path of a key, log in with gcloud auth application-default login, or pass credentials',
};
const SLOW_DOWN: Meaning = {
  code: 'RATE_LIMITED',
  retry: 'safe',
  what: 'the server asks for fewer requests',
  advice: 'The same call may be repeated after a pause',
};
const FAILING: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'safe',
  what: 'the server could not answer',
  advice: 'The same call may be repeated',
};
const DAMAGED: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'safe',
  what: 'the body did not arrive as it was sent, and the server refused it',
  advice: 'The same call may be repeated; if it keeps failing, something on the way changes data',
};
const BROKEN: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'safe',
  what: 'the connection failed',
  advice: 'The same call may be repeated; if it keeps failing, check the network and the address of the server',
};
const UNTRUSTED: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'the server could not prove who it is',
  advice: 'Check the address and the certificate; NODE_EXTRA_CA_CERTS names a file of authorities to trust besides',
};
const NO_BUCKET: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'there is no such bucket, or what answered is not Google Cloud Storage',
  advice: 'Check its name and the project, or make it; packvault makes no buckets',
};
const FULL: Meaning = {
  code: 'OUT_OF_SPACE',
  retry: 'never',
  what: 'no space is left, or the quota is used up',
  advice: 'Free space (prune frees what no snapshot needs) or raise the quota, then run the same call again',
};
const UNABLE: Meaning = {
  code: 'UNSUPPORTED',
  retry: 'never',
  what: 'the server cannot do this',
  advice: 'Check the address: it must be a server of the JSON API of Google Cloud Storage',
};
const TOO_LARGE: Meaning = {
  code: 'UNSUPPORTED',
  retry: 'never',
  what: 'the server holds no object of this name or size',
  advice: 'Use a shorter prefix or a smaller pack size',
};
const LOCKED: Meaning = {
  code: 'PERMISSION_DENIED',
  retry: 'never',
  what: 'the object is protected',
  advice: 'A hold or a retention policy of the bucket keeps it as it is; it can be changed when that ends',
};
const ELSEWHERE: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'the server sends the request elsewhere',
  advice: 'Set the apiEndpoint option to where the bucket is',
};
const PROXY: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'a proxy on the way wants a login',
  advice: 'Log in to the proxy or go around it',
};
// Nothing is known of it, so nothing is promised: repeating may do harm elsewhere.
const UNKNOWN: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'the server refused',
  advice: 'The cause says more',
};

function table(...rows: readonly (readonly [Meaning, string])[]): ReadonlyMap<string, Meaning> {
  return new Map(rows.flatMap(([meaning, names]) => names.split(' ').map((name) => [name, meaning] as const)));
}

// By the reason in the error's JSON; else the system's name.
const BY_REASON = table(
  [DENIED, 'forbidden insufficientPermissions accessNotConfigured accountDisabled userProjectMissing'],
  [DENIED, 'UserProjectAccountProblem countryBlocked ipRefererBlocked'],
  [REFUSED, 'authError required invalidCredentials expired'],
  [NO_LOGIN, 'LoginFailed'],
  [SLOW_DOWN, 'rateLimitExceeded userRateLimitExceeded tooManyRequests'],
  [FAILING, 'backendError internalError serviceUnavailable'],
  [LOCKED, 'retentionPolicyNotMet objectUnderActiveHold objectRetentionPolicyNotMet'],
  // Ours: see errors.ts.
  [DAMAGED, 'hashMismatch'],
  [FULL, 'quotaExceeded storageQuotaExceeded'],
  [TOO_LARGE, 'uploadTooLarge keyIsFolder'],
  [BROKEN, 'ECONNRESET ECONNREFUSED ECONNABORTED EPIPE ETIMEDOUT ENETDOWN ENETUNREACH EHOSTDOWN EHOSTUNREACH'],
  [BROKEN, 'ENOTFOUND EAI_AGAIN EADDRNOTAVAIL EMFILE ENFILE ERR_STREAM_PREMATURE_CLOSE ERR_STREAM_DESTROYED'],
);

const BY_STATUS: ReadonlyMap<number, Meaning> = new Map([
  ...[301, 302, 307, 308].map((status) => [status, ELSEWHERE] as const),
  [401, REFUSED],
  [403, DENIED],
  [404, NO_BUCKET],
  [405, UNABLE],
  [407, PROXY],
  [408, FAILING],
  [413, TOO_LARGE],
  [429, SLOW_DOWN],
  [501, UNABLE],
  [507, FULL],
]);

const TLS = /^(CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|EPROTO)/;

/** What an error means: by its name, else by the status of the answer. */
export function meaningOf(reason: string, status: number | undefined): Meaning {
  const named = BY_REASON.get(reason);
  if (named !== undefined) return named;
  if (TLS.test(reason)) return UNTRUSTED;
  // Of Node's HTTP parser: what came is no HTTP.
  if (reason.startsWith('HPE_')) return BROKEN;
  if (status === undefined) return UNKNOWN;
  if (status >= 500) return BY_STATUS.get(status) ?? FAILING;
  return BY_STATUS.get(status) ?? UNKNOWN;
}
