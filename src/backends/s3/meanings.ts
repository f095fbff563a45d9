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
    'A repository needs s3:GetObject, s3:PutObject and s3:ListBucket, pruning also s3:DeleteObject; without s3:ListBucket a missing object is refused like this, too',
};
const REFUSED: Meaning = {
  code: 'UNAUTHENTICATED',
  retry: 'never',
  what: 'the server refuses the login',
  advice: 'Check access key, secret and session token, and that they belong to this server',
};
const EXPIRED: Meaning = {
  code: 'UNAUTHENTICATED',
  retry: 'never',
  what: 'the temporary credentials have expired',
  advice: 'Get new ones and run the same call again; credentials given as a function are renewed in time',
};
const NO_LOGIN: Meaning = {
  code: 'UNAUTHENTICATED',
  retry: 'never',
  what: 'no credentials were found',
  advice: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile with AWS_PROFILE, or pass credentials',
};
// The SDK learns the server's clock from this very answer, so the next request is dated right.
const SKEWED: Meaning = {
  code: 'UNAUTHENTICATED',
  retry: 'safe',
  what: 'the clocks of this machine and the server differ too much',
  advice: "Set this machine's clock",
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
const RACED: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'safe',
  what: 'another request for the same object was under way',
  advice: 'The same call may be repeated',
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
  what: 'there is no such bucket',
  advice: 'Check its name and the server, or make it; packvault makes no buckets',
};
const ELSEWHERE: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'the bucket is in another region or on another server',
  advice: 'Set AWS_REGION, or the region or endpoint option, to where the bucket is',
};
const NO_REGION: Meaning = {
  code: 'INVALID_ARGUMENT',
  retry: 'never',
  what: 'no region is known',
  advice: 'Set AWS_REGION or the region option to where the bucket is',
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
  advice: 'The table of stores in docs/backends.md tells which options a server needs',
};
const TOO_LARGE: Meaning = {
  code: 'UNSUPPORTED',
  retry: 'never',
  what: 'the server holds no object of this name or size',
  advice:
    'Use a shorter prefix or a smaller pack size; a key that is a folder of another cannot be stored on some servers',
};
const FROZEN: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'the object is in cold storage',
  advice: 'Restore it there first (S3 RestoreObject), then run the same call again',
};
const PROXY: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'a proxy on the way wants a login',
  advice: 'Log in to the proxy or go around it',
};
const NO_S3: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'what answered is not S3',
  advice: 'Check the address: a proxy or another service may stand there',
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

// By the `Code` of S3's error document, of AWS and of the servers that speak its protocol; else the SDK's or the system's name.
const BY_REASON = table(
  [DENIED, 'AccessDenied AllAccessDisabled AccountProblem'],
  [REFUSED, 'InvalidAccessKeyId SignatureDoesNotMatch InvalidToken InvalidSecurity InvalidClientTokenId'],
  [REFUSED, 'UnrecognizedClientException NotSignedUp XAdminUserNotFound XMinioInvalidIAMCredentials'],
  [EXPIRED, 'ExpiredToken ExpiredTokenException TokenRefreshRequired RequestExpired'],
  [NO_LOGIN, 'CredentialsProviderError TokenProviderError'],
  [SKEWED, 'RequestTimeTooSkewed RequestInTheFuture'],
  [SLOW_DOWN, 'SlowDown SlowDownRead SlowDownWrite Throttling ThrottlingException ThrottledException'],
  [SLOW_DOWN, 'RequestLimitExceeded RequestThrottled RequestThrottledException TooManyRequests BandwidthLimitExceeded'],
  [SLOW_DOWN, 'TooManyRequestsException PriorRequestNotComplete'],
  [FAILING, 'InternalError ServiceUnavailable RequestTimeout RequestTimeoutException XMinioServerNotInitialized'],
  [RACED, 'ConditionalRequestConflict OperationAborted'],
  [DAMAGED, 'BadDigest IncompleteBody InvalidDigest XAmzContentSHA256Mismatch XAmzContentChecksumMismatch'],
  [NO_BUCKET, 'NoSuchBucket InvalidBucketName'],
  [ELSEWHERE, 'PermanentRedirect TemporaryRedirect Redirect IllegalLocationConstraintException'],
  [ELSEWHERE, 'AuthorizationHeaderMalformed'],
  [NO_REGION, 'RegionIsMissing'],
  [FULL, 'XMinioStorageFull XMinioAdminBucketQuotaExceeded QuotaExceeded'],
  [UNABLE, 'NotImplemented MethodNotAllowed'],
  [TOO_LARGE, 'EntityTooLarge KeyTooLongError XMinioInvalidObjectName XMinioParentIsObject ObjectParentIsFile'],
  [TOO_LARGE, 'ExistingObjectIsDirectory DirectoryObjectContainsData'],
  [FROZEN, 'InvalidObjectState'],
  [BROKEN, 'ECONNRESET ECONNREFUSED ECONNABORTED EPIPE ETIMEDOUT ENETDOWN ENETUNREACH EHOSTDOWN EHOSTUNREACH'],
  [BROKEN, 'ENOTFOUND EAI_AGAIN EADDRNOTAVAIL EMFILE ENFILE TimeoutError ERR_STREAM_PREMATURE_CLOSE UND_ERR_SOCKET'],
);

const BY_STATUS: ReadonlyMap<number, Meaning> = new Map([
  ...[301, 302, 307, 308].map((status) => [status, ELSEWHERE] as const),
  [401, REFUSED],
  [403, DENIED],
  [404, NO_S3],
  [405, UNABLE],
  [407, PROXY],
  [408, FAILING],
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
  // Fine by its status, and yet the SDK could not read it.
  return BY_STATUS.get(status) ?? (status < 300 ? NO_S3 : UNKNOWN);
}
