/**
 * `node test/servers/run.mjs minio` runs an S3 server until Ctrl-C and prints what a shell needs to work with it, to try packvault by
 * hand.
 */
import { obtain, skippedBlock } from './obtain.mjs';
import { startMinio, startVersitygw } from './s3.mjs';

const SERVERS = { minio: startMinio, versitygw: startVersitygw };

const [name = 'minio'] = process.argv.slice(2);
if (!Object.hasOwn(SERVERS, name)) {
  console.error(`Usage: node test/servers/run.mjs ${Object.keys(SERVERS).join('|')}`);
  process.exit(2);
}
const missing = await obtain([name]);
if (missing.length > 0) {
  console.error(skippedBlock(missing));
  process.exit(1);
}
const server = await SERVERS[name]();
console.log(`export AWS_ACCESS_KEY_ID=${server.credentials.accessKeyId}`);
console.log(`export AWS_SECRET_ACCESS_KEY=${server.credentials.secretAccessKey}`);
console.log(`export PACKVAULT_REPOSITORY=s3:${server.url}/${await server.createBucket('packvault')}/try`);
console.error(`\n${name} runs until Ctrl-C; then all that it holds is gone.`);
setInterval(() => undefined, 2 ** 30);
