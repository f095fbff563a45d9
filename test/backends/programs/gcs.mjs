// The other process of the Google Cloud Storage store's conformance cases.
import { GcsBackend } from 'packvault/gcs';
import { serveStore } from 'packvault/testing';

await serveStore((address) => new GcsBackend({ ...JSON.parse(process.env.TEST_GCS), prefix: address }));
