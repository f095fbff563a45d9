// `npm run try`: installs what is locked, builds what is not built, and runs the main job on real data.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { build, step } from './build.mjs';

if (!existsSync('node_modules/.package-lock.json')) step('npm', ['ci', '--no-fund', '--no-audit']);
build();
const { status } = spawnSync(process.execPath, ['dist/cli/main.js', 'try', ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exit(status ?? 1);
