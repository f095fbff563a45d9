// The other process of the S3 store's conformance cases. The login is in the environment, too.
import { S3Backend } from 'packvault/s3';
import { serveStore } from 'packvault/testing';

await serveStore((address) => new S3Backend({ ...JSON.parse(process.env.TEST_S3), prefix: address }));
