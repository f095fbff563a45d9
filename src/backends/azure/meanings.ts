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
    "A repository needs to read, write and list (Storage Blob Data Contributor, or r, c, w and l of a SAS), pruning also to delete; the account's firewall must let this machine in",
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
    'Set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or log in with az login',
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
const NO_CONTAINER: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'there is no such container',
  advice: 'Check its name and the account, or make it; packvault makes no containers',
};
const NO_ACCOUNT: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'there is no such account or container, or it is closed',
  advice: 'Check the names of the account and the container',
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
  advice: 'Check the kind of the account: it must hold block blobs. Azurite needs --skipApiVersionCheck',
};
const TOO_LARGE: Meaning = {
  code: 'UNSUPPORTED',
  retry: 'never',
  what: 'the server holds no object of this name or size',
  advice:
    'Use a shorter prefix or a smaller pack size; a key that is a folder of another cannot be stored in an account with a hierarchical namespace',
};
const LOCKED: Meaning = {
  code: 'PERMISSION_DENIED',
  retry: 'never',
  what: 'the object is protected',
  advice: 'A lease, a legal hold or a policy of the container keeps it as it is; it can be changed when that ends',
};
const FROZEN: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'the object is in the archive tier',
  advice: 'Bring it back to an online tier there first, then run the same call again',
};
const ELSEWHERE: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'the server sends the request elsewhere',
  advice: 'Set the endpoint option to where the account is',
};
const PROXY: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'a proxy on the way wants a login',
  advice: 'Log in to the proxy or go around it',
};
const NO_AZURE: Meaning = {
  code: 'UNAVAILABLE',
  retry: 'never',
  what: 'what answered is not Azure Blob Storage',
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

// By Azure's error code; else the system's or the SDK's name.
const BY_REASON = table(
  // Azurite's word for a wrong key, the cloud's for a network that is not let in: neither tells which.
  [DENIED, 'AuthorizationFailure AuthorizationPermissionMismatch AuthorizationServiceMismatch'],
  [DENIED, 'AuthorizationResourceTypeMismatch AuthorizationProtocolMismatch AuthorizationSourceIPMismatch'],
  [DENIED, 'InsufficientAccountPermissions UnauthorizedBlobOverwrite PublicAccessNotPermitted AccountIsDisabled'],
  [REFUSED, 'AuthenticationFailed InvalidAuthenticationInfo NoAuthenticationInformation'],
  [REFUSED, 'KeyBasedAuthenticationNotPermitted'],
  [NO_LOGIN, 'CredentialUnavailableError AggregateAuthenticationError AuthenticationError'],
  [NO_LOGIN, 'AuthenticationRequiredError'],
  [SLOW_DOWN, 'ServerBusy TooManyRequests IngressOverAccountLimit EgressOverAccountLimit'],
  [FAILING, 'InternalError OperationTimedOut ContainerBeingDeleted AccountBeingCreated'],
  // Azurite's word for a wrong MD5 is InvalidOperation.
  [DAMAGED, 'Md5Mismatch InvalidMd5 Crc64Mismatch InvalidOperation'],
  [NO_CONTAINER, 'ContainerNotFound ContainerDisabled'],
  [NO_ACCOUNT, 'ResourceNotFound InvalidResourceName InvalidUri AccountNotFound'],
  [UNABLE, 'UnsupportedHeader InvalidHeaderValue FeatureNotSupported NotImplemented InvalidBlobType'],
  [UNABLE, 'BlobTypeNotSupported FeatureVersionMismatch'],
  [TOO_LARGE, 'RequestBodyTooLarge OutOfRangeInput PathConflict DirectoryNotEmpty PathNameTooLong'],
  [LOCKED, 'LeaseIdMissing BlobImmutableDueToPolicy BlobImmutableDueToLegalHold BlobNotInImmutableState'],
  [LOCKED, 'LeaseIdMismatchWithBlobOperation PendingCopyOperation'],
  [FROZEN, 'BlobArchived BlobBeingRehydrated'],
  [FULL, 'AccountLimitExceeded InsufficientStorage'],
  // The SDK found no head, or could not read a body, that the store would send.
  [NO_AZURE, 'PARSE_ERROR RangeError'],
  [BROKEN, 'ECONNRESET ECONNREFUSED ECONNABORTED EPIPE ETIMEDOUT ENETDOWN ENETUNREACH EHOSTDOWN EHOSTUNREACH'],
  [BROKEN, 'ENOTFOUND EAI_AGAIN EADDRNOTAVAIL EMFILE ENFILE ERR_STREAM_PREMATURE_CLOSE REQUEST_SEND_ERROR'],
  // Nobody aborted (that is told before): this is how the SDK names a body whose connection was cut.
  [BROKEN, 'AbortError'],
);

const BY_STATUS: ReadonlyMap<number, Meaning> = new Map([
  ...[301, 302, 307, 308].map((status) => [status, ELSEWHERE] as const),
  [401, REFUSED],
  [403, DENIED],
  [404, NO_AZURE],
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
  // Fine by its status, and yet the SDK could not read it.
  return BY_STATUS.get(status) ?? (status < 300 ? NO_AZURE : UNKNOWN);
}
