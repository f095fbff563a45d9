// The other process of the Azure store's conformance cases. The login is in the environment, too.
import { AzureBackend } from 'packvault/azure';
import { serveStore } from 'packvault/testing';

await serveStore((address) => new AzureBackend({ ...JSON.parse(process.env.TEST_AZURE), prefix: address }));
