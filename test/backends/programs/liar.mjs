// The other process of a store that is wrong on purpose. Its address is the name of the lie, a blank, and a path.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LocalBackend, PackvaultError } from 'packvault';
import { serveStore } from 'packvault/testing';

/** Half of the object stands under its name until this process is killed. */
async function growForEver(root, key, body) {
  mkdirSync(dirname(join(root, key)), { recursive: true });
  writeFileSync(join(root, key), body.subarray(0, body.byteLength / 2));
  await new Promise(() => undefined);
}

await serveStore((address) => {
  const [, lie, root] = /^(\S+) (.*)$/.exec(address);
  const honest = new LocalBackend(root);
  return Object.assign(new LocalBackend(root), {
    async put(key, body, options) {
      if (lie === `torn-${options.mode}` && body.byteLength > 100_000) await growForEver(root, key, body);
      if (lie !== 'racy' || options.mode === 'overwrite') return honest.put(key, body, options);
      const isThere = await honest.stat(key).then(
        () => true,
        () => false,
      );
      if (isThere) throw new PackvaultError({ code: 'ALREADY_EXISTS', message: 'It is there.', context: { key } });
      return honest.put(key, body, { ...options, mode: 'overwrite' });
    },
  });
});
