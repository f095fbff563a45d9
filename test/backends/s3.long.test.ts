import { afterAll, describe, expect, test } from 'vitest';
import { S3Backend } from '../../src/backends/s3/index.ts';
import { probe } from '../../src/core/probe.ts';
import { conformance, suiteFor } from '../../src/testing/index.ts';
import {
  isAvailable,
  type S3Server,
  startMinio,
  startRcloneS3,
  startS3sFs,
  startToxiproxy,
  startVersitygw,
  type Toxiproxy,
} from '../servers/index.mjs';
import { s3Store } from './s3-store.ts';

const available = isAvailable('toxiproxy', 'versitygw', 'minio', 'rclone', 's3s-fs');
const started: { stop(): Promise<void> }[] = [];
afterAll(async () => Promise.all(started.map(async (server) => server.stop())));

async function start<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> {
  const server = await starting;
  started.push(server);
  return server;
}

const toxiproxy = available ? await start(startToxiproxy()) : undefined;

if (toxiproxy) {
  const { factory } = await s3Store(await start(startVersitygw()), toxiproxy);
  await conformance('S3 on versitygw', factory);
}

/** The cases on creates of the conformance suite, by name: whether the server passes. */
async function creates(server: S3Server, through: Toxiproxy): Promise<Record<string, boolean>> {
  const { factory } = await s3Store(server, through);
  const suite = await suiteFor(factory);
  const passed: Record<string, boolean> = {};
  for (const one of suite.cases.filter(({ name }) =>
    /^a create that meets an object|^of racing creates, through/.test(name),
  )) {
    passed[one.name] = await suite.run(one).then(
      () => true,
      () => false,
    );
  }
  return passed;
}

async function probed(server: S3Server, conditionalWrites: boolean): Promise<Record<string, boolean>> {
  const { url: endpoint, credentials } = server;
  const bucket = await server.createBucket();
  const store = new S3Backend({ endpoint, credentials, bucket, conditionalWrites });
  const { usable, exclusiveCreate, findings } = await probe(store);
  const twice = findings.some(({ name, ok }) => name === 'create twice' && ok);
  return { usable, exclusiveCreate, twice };
}

const TWICE = 'a create that meets an object is ALREADY_EXISTS, and the object is kept';
const RACE = 'of racing creates, through two instances, one wins, and its bytes stay';

describe.skipIf(!toxiproxy)('servers that break create-only are found out', () => {
  const through = toxiproxy as Toxiproxy;

  test('MinIO, which does not, passes the same cases', async () => {
    const minio = await start(startMinio());
    expect(await creates(minio, through)).toEqual({ [TWICE]: true, [RACE]: true });
    expect(await probed(minio, true)).toEqual({ usable: true, exclusiveCreate: true, twice: true });
  });

  test('rclone ignores the condition: found by the second create, and cured by looking first', async () => {
    const rclone = await start(startRcloneS3());
    expect(await creates(rclone, through)).toEqual({ [TWICE]: false, [RACE]: false });
    expect(await probed(rclone, true)).toEqual({ usable: true, exclusiveCreate: false, twice: false });
    expect(await probed(rclone, false)).toEqual({ usable: true, exclusiveCreate: false, twice: true });
  });

  test('s3s-fs looks and then writes: found by the race only', async () => {
    expect(await creates(await start(startS3sFs()), through)).toEqual({ [TWICE]: true, [RACE]: false });
  });
});
