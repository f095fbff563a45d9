/** The SDK: loaded when first needed, and set up so that it does what a backend promises. */
import type * as Identity from '@azure/identity';
import type * as Sdk from '@azure/storage-blob';
import { PackvaultError } from '../../core/errors.ts';
import type { ResolvedOptions } from './options.ts';

// Repeating is the decorator's: a create that was repeated below it would take its own object for another's.
const PIPELINE: Sdk.StoragePipelineOptions = {
  retryOptions: { maxTries: 1 },
  keepAliveOptions: { enable: true },
  userAgentOptions: { userAgentPrefix: 'packvault' },
};

/** A client of the container. UNSUPPORTED with the command that installs what is missing. */
export async function connect(options: ResolvedOptions): Promise<Sdk.ContainerClient> {
  const { client, container, login, serviceUrl } = options;
  if (client !== undefined) return client as Sdk.ContainerClient;
  const sdk = await load<typeof Sdk>('@azure/storage-blob', async () => import('@azure/storage-blob'));
  const url = `${serviceUrl}/${container}`;
  if (login.by === 'connection string') {
    return readable(login.by, () => new sdk.ContainerClient(login.connectionString, container, PIPELINE));
  }
  if (login.by === 'key') {
    const key = readable('account key', () => new sdk.StorageSharedKeyCredential(login.account, login.key));
    return new sdk.ContainerClient(url, key, PIPELINE);
  }
  if (login.by === 'sas')
    return new sdk.ContainerClient(`${url}?${login.token}`, new sdk.AnonymousCredential(), PIPELINE);
  const given = login.credential as Identity.TokenCredential | undefined;
  return new sdk.ContainerClient(url, given ?? (await defaultCredential()), PIPELINE);
}

async function defaultCredential(): Promise<Identity.TokenCredential> {
  const identity = await load<typeof Identity>('@azure/identity', async () => import('@azure/identity'));
  return new identity.DefaultAzureCredential();
}

/** What the SDK says of a login that it cannot read may repeat it: nothing of that is told. */
function readable<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch {
    throw new PackvaultError({
      code: 'INVALID_ARGUMENT',
      message: `The ${what} of the Azure backend cannot be read. Nothing was read or written. Copy it again from the account's access keys.`,
    });
  }
}

async function load<T>(name: string, loading: () => Promise<T>): Promise<T> {
  try {
    return await loading();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error;
    throw new PackvaultError({
      code: 'UNSUPPORTED',
      message: `Repositories on Azure need the package ${name}${name === '@azure/identity' ? ' where no key, SAS or connection string is given' : ''}, which is not installed. Nothing was read or written. Install it: npm install ${name}`,
      cause: error,
    });
  }
}
