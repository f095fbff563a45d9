// `npm run bench -- SUBCOMMAND`: measures the package as it is built in dist/. One file per subcommand.
import { existsSync } from 'node:fs';

const SUBCOMMANDS = {
  local: { about: 'speed of every job on local disk, on real data', load: () => import('./local.mjs') },
  memory: { about: 'peak memory while a long stream passes through', load: () => import('./memory.mjs') },
  stores: { about: 'ingest and restore on real servers at several latencies', load: () => import('./stores.mjs') },
};

const USAGE = `Usage: npm run bench -- SUBCOMMAND [OPTIONS]

${Object.entries(SUBCOMMANDS)
  .map(([name, { about }]) => `  ${name.padEnd(8)}${about}`)
  .join('\n')}

Each prints a table and, as its last line, the same as JSON. --help after a subcommand lists its options.`;

async function main([name = '', ...rest]) {
  const found = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  if (found === undefined) {
    console.error(USAGE);
    return name === '' || name === '--help' ? 0 : 2;
  }
  if (!existsSync(new URL('../dist/index.js', import.meta.url))) {
    console.error('There is nothing to measure yet: run `npm run build` first.');
    return 1;
  }
  const { usage, run } = await found.load();
  if (rest.includes('--help')) {
    console.log(usage);
    return 0;
  }
  return run(rest);
}

process.exitCode = await main(process.argv.slice(2));
