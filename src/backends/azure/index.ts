/** A repository in a container of Azure Blob Storage. */
export { AzureBackend } from './backend.ts';
export { parseAzureLocation } from './location.ts';
export type { AzureBackendOptions, AzureContainerClientLike, AzureTokenCredential } from './options.ts';
