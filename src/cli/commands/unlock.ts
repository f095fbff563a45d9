import { EXIT } from '../exit-codes.ts';
import type { Command } from '../options.ts';

export const command: Command = {
  synopsis: ['unlock [--force]'],
  about:
    'Removes stale entries of who is at work. No data is touched, and nobody is stopped: entries only inform people.',
  options: { force: { type: 'boolean', about: 'remove entries that are not stale, too' } },
  async run(context) {
    const options = { force: context.flag('force'), signal: context.signal };
    await context.withRepository((repository) => repository.unlock(options));
    context.output.result('summary', { force: options.force }, () =>
      options.force ? 'All entries were removed.' : 'Stale entries were removed.',
    );
    return EXIT.ok;
  },
};
