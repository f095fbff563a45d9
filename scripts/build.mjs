// Installs and builds, with the tools' own progress visible.
import { spawnSync } from 'node:child_process';

/** Runs a command; its failure is ours. */
export function step(command, args) {
  console.error(`\n> ${command} ${args.join(' ')}`);
  // npm is a script on Windows, which only a shell starts.
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', shell: process.platform === 'win32' });
  if (error) console.error(`${command} could not be started: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

/** Builds the addon and the TypeScript. Cargo does nothing where nothing changed. */
export function build() {
  step('npm', ['run', '--silent', 'build']);
}
