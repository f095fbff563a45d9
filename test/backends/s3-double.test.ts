import { afterAll } from 'vitest';
import { S3Backend, type S3BackendOptions } from '../../src/backends/s3/index.ts';
import { type BrokenStore, conformance, type StoreFactory } from '../../src/testing/index.ts';
import { S3Double, type S3Fault } from '../doubles/s3.ts';
import type { S3Verb } from '../doubles/s3-answers.ts';

const double = await S3Double.start();
double.createBucket('bucket');
const doors = [double];
afterAll(async () => Promise.all(doors.map(async (door) => door[Symbol.asyncDispose]())));

const open = (prefix: string, other: Partial<S3BackendOptions> = {}): S3Backend =>
  new S3Backend({ bucket: 'bucket', prefix, endpoint: double.url, credentials: double.credentials, ...other });

/** Instances whose requests meet a fault. */
async function behind(fault: S3Fault, verbs?: readonly S3Verb[]): Promise<BrokenStore> {
  const door = await S3Double.start({ of: double, rules: [{ fault, ...(verbs && { verbs }) }] });
  doors.push(door);
  return ({ address = '' }) => open(address, { endpoint: door.url, idleTimeoutMs: 500 });
}

let places = 0;
const factory: StoreFactory = {
  place() {
    const address = `places/${(places += 1)}`;
    return { open: () => open(address), address, requests: () => double.requests.length };
  },
  checksSha256: true,
  secrets: [double.credentials.secretAccessKey],
  broken: {
    missingBucket: ({ address = '' }) => open(address, { bucket: 'no-such-bucket' }),
    wrongCredentials: ({ address = '' }) =>
      open(address, { credentials: { accessKeyId: 'NO', secretAccessKey: 'NO' } }),
    readOnly: await behind({ status: 403, code: 'AccessDenied' }, ['put', 'delete', 'delete-batch']),
    undeletable: await behind({ status: 403, code: 'AccessDenied' }, ['delete', 'delete-batch']),
    silent: await behind('stall'),
    throttled: await behind({ status: 503, code: 'SlowDown' }),
    retryAfter: await behind({ status: 503, code: 'SlowDown', headers: { 'retry-after': '3' } }),
    failing: await behind({ status: 500, code: 'InternalError' }),
    html: await behind('html'),
    cutBody: await behind('cut-body'),
    stalledBody: await behind('stall-body'),
    shortBody: await behind('short-body'),
    ignoredRange: await behind('ignore-range'),
    corruptedUpload: await behind('flip-upload'),
    lostAnswer: await behind('lost-answer'),
    full: await behind({ status: 507, code: 'XMinioStorageFull' }, ['put']),
  },
};
// Races and long listings are the business of real servers.
await conformance('S3 in this process', factory, { rounds: 4, manyKeys: 2_100 });
