/** The SDK: loaded when first needed, and set up so that it does what a backend promises. */
import type * as Sdk from '@aws-sdk/client-s3';
import { PackvaultError } from '../../core/errors.ts';
import type { ResolvedOptions } from './options.ts';

/** The SDK and a client of it. */
export interface Session {
  readonly sdk: typeof Sdk;
  readonly client: Sdk.S3Client;
  /** Whether the server is one of Amazon's. */
  readonly aws: boolean;
}

/** Loads the SDK. UNSUPPORTED with the command that installs it, where it is missing. */
export async function connect(options: ResolvedOptions): Promise<Session> {
  const sdk = await load();
  const { client } = options;
  if (client === undefined) return { sdk, client: new sdk.S3Client(configOf(options)), aws: options.aws };
  const given = client as Sdk.S3Client;
  return { sdk, client: given, aws: given.config?.endpoint === undefined };
}

async function load(): Promise<typeof Sdk> {
  try {
    return await import('@aws-sdk/client-s3');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error;
    throw new PackvaultError({
      code: 'UNSUPPORTED',
      message:
        'Repositories on S3 need the package @aws-sdk/client-s3, which is not installed. Nothing was read or written. Install it: npm install @aws-sdk/client-s3',
      cause: error,
    });
  }
}

function configOf(options: ResolvedOptions): Sdk.S3ClientConfig {
  const { endpoint, region, credentials, aws, maxSockets } = options;
  const agent = { keepAlive: true, maxSockets };
  return {
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(credentials !== undefined && { credentials }),
    // `localhost` would become `bucket.localhost`.
    forcePathStyle: options.forcePathStyle ?? !aws,
    followRegionRedirects: aws,
    // Repeating is the decorator's: a create that was repeated below it would take its own object for another's.
    maxAttempts: 1,
    // Many servers refuse the SDK's default checksums, or store their framing; ours are set on each request.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    // It would not be checked on ranges, and the engine knows the hash of all that it reads.
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Some servers never answer it, and the SDK opens a new connection for each request that asks.
    expectContinueHeader: false,
    requestHandler: {
      httpAgent: agent,
      httpsAgent: agent,
      connectionTimeout: options.connectTimeoutMs,
      socketTimeout: options.idleTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      throwOnRequestTimeout: true,
    },
  };
}

/** What to send a command with. */
export function sending(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

/** The headers of a request, before it is signed. */
export type Headers = Record<string, string>;

/** Changes the headers of one request after the SDK has made them, in the way that its versions have in common. */
export function changeHeaders(command: Sdk.PutObjectCommand | Sdk.DeleteObjectsCommand, change: HeaderChange): void {
  const { middlewareStack } = command as Sdk.PutObjectCommand;
  middlewareStack.add(
    (next) => async (args) => {
      const request = args.request as { readonly headers: Headers; readonly body?: unknown };
      change(request.headers, request.body);
      return next(args);
    },
    { step: 'build', priority: 'low' },
  );
}

/** Gets the body as it will be sent, too. */
export type HeaderChange = (headers: Headers, body: unknown) => void;
