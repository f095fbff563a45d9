/** The real servers that tests run against; index.d.mts says how to use them. */
import { binaryOf, skippedBlock, storesAreRequired } from './obtain.mjs';

export { startAzurite } from './azurite.mjs';
export { startFakeGcs } from './fake-gcs.mjs';
export { startMinio, startRcloneS3, startS3sFs, startVersitygw } from './s3.mjs';
export { startSshd } from './sshd.mjs';
export { startToxiproxy } from './toxiproxy.mjs';

export function isAvailable(...names) {
  const missing = names.filter((name) => binaryOf(name) === undefined);
  if (missing.length === 0) return true;
  const block = skippedBlock(missing.map((name) => ({ name, reason: 'it was not obtained before the tests' })));
  if (storesAreRequired()) throw new Error(block);
  console.error(block);
  return false;
}
