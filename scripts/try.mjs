// `npm run try`: installs what is locked, builds what is not built, and runs the main job on real data. Words after `--` are
// arguments of `packvault try`: paths, relative to where the user stands, and options.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { prepare } from './build.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const here = process.env.INIT_CWD ?? process.cwd();
const words = process.argv.slice(2);

process.chdir(root);
prepare();
console.error('\n> packvault try\n  under half a minute\n');
const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const child = spawn(process.execPath, [main, 'try', ...words], {
  stdio: 'inherit',
  cwd: words.length > 0 ? here : root,
});
// Ctrl-C reaches both: the child cleans up and says how it ended.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code) => process.exit(code ?? 1));
