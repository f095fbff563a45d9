import { EXIT } from '../exit-codes.ts';
import type { Command } from '../main.ts';

export const command: Command = {
  usage: `Usage: packvault unlock [--force]
Removes stale entries of who is at work, or all with --force. No data is touched.`,
  options: { force: { type: 'boolean' } },
  async run(context) {
    const options = { force: context.flag('force'), signal: context.signal };
    await context.withRepository((repository) => repository.unlock(options));
    context.result('summary', {}, () => (options.force ? 'All entries were removed.' : 'Stale entries were removed.'));
    return EXIT.ok;
  },
};
