/** The servers that tests run against: which version of each, where it comes from, and what to do where it can't be had. */

// MinIO is published as source only, so everything but Azurite and sshd is built on the spot.
const PINS = {
  minio: {
    variable: 'PACKVAULT_MINIO',
    go: 'github.com/minio/minio',
    version: 'v0.0.0-20260212201848-7aac2a2c5b7c',
    builds: 'minio',
  },
  'fake-gcs': {
    variable: 'PACKVAULT_FAKE_GCS',
    go: 'github.com/fsouza/fake-gcs-server',
    version: 'v1.56.1',
    builds: 'fake-gcs-server',
  },
  toxiproxy: {
    variable: 'PACKVAULT_TOXIPROXY',
    go: 'github.com/Shopify/toxiproxy/v2/cmd/server',
    version: 'v2.12.0',
    builds: 'server',
  },
  azurite: { variable: 'PACKVAULT_AZURITE' },
  sshd: { variable: 'PACKVAULT_SSHD' },
  versitygw: {
    variable: 'PACKVAULT_VERSITYGW',
    go: 'github.com/versity/versitygw/cmd/versitygw',
    version: 'v1.8.0',
    builds: 'versitygw',
    long: true,
  },
  rclone: {
    variable: 'PACKVAULT_RCLONE',
    go: 'github.com/rclone/rclone',
    version: 'v1.75.1',
    builds: 'rclone',
    long: true,
  },
  's3s-fs': {
    variable: 'PACKVAULT_S3S_FS',
    cargo: 's3s-fs',
    features: 'binary',
    version: '0.14.1',
    builds: 's3s-fs',
    long: true,
  },
};

/** The names of the servers that a test run needs: one per store and the proxy, with `long` also the rest. */
export function namesFor(long) {
  return Object.keys(PINS).filter((name) => long || PINS[name].long !== true);
}

/** Throws for a name that is none of ours. */
export function pinOf(name) {
  if (!Object.hasOwn(PINS, name))
    throw new Error(`No server is called ${name}; there are ${namesFor(true).join(', ')}`);
  return PINS[name];
}

/** What a person does to get it. */
export function remedyFor(name) {
  const { variable, go, cargo, version } = pinOf(name);
  const own = `or set ${variable} to a binary of your own`;
  if (go !== undefined) return `install Go 1.26 or newer and run \`node test/servers/obtain.mjs ${name}\`, ${own}`;
  if (cargo !== undefined) return `install Rust and run \`node test/servers/obtain.mjs ${name}\` (${version}), ${own}`;
  if (name === 'azurite') return `run \`npm ci\`, or set ${variable} to Azurite's dist/src/blob/main.js`;
  return `install openssh-server, ${own}`;
}
