/** What every command has: its options, and a way to the repository. */
import { PackvaultError, type Progress, Repository } from '../index.ts';
import { UsageError } from './exit-codes.ts';
import type { Values } from './options.ts';
import type { Output } from './output.ts';
import { fromEnvironment, passphrase } from './passphrase.ts';

export class Context {
  readonly #values: Values;
  readonly positionals: readonly string[];
  readonly output: Output;
  readonly signal: AbortSignal;

  constructor(values: Values, positionals: readonly string[], output: Output, signal: AbortSignal) {
    this.#values = values;
    this.positionals = positionals;
    this.output = output;
    this.signal = signal;
  }

  /** The text of an option. */
  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** The texts of an option that may be repeated. */
  list(name: string): string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.filter((part) => typeof part === 'string') : [];
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  number(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (!/^\d+$/.test(text)) throw new UsageError(`--${name} takes a whole number, not ${JSON.stringify(text)}.`);
    return Number(text);
  }

  /** `name=value` pairs. */
  tags(): Record<string, string> {
    const tags: [string, string][] = this.list('tag').map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new UsageError(`--tag takes NAME=VALUE, not ${JSON.stringify(pair)}.`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    });
    return Object.fromEntries(tags);
  }

  location(): string {
    const location = this.text('repo') ?? process.env['PACKVAULT_REPOSITORY'];
    if (location === undefined || location === '') {
      throw new UsageError('Which repository? Give --repo LOCATION or set PACKVAULT_REPOSITORY.');
    }
    return location;
  }

  /** Options of the engine that every command takes. */
  engine(): { memoryLimit?: number; threads?: number; concurrency?: number } {
    const memory = this.number('memory-limit');
    const threads = this.number('threads');
    const concurrency = this.number('concurrency');
    return {
      ...(memory !== undefined && { memoryLimit: memory * 2 ** 20 }),
      ...(threads !== undefined && { threads }),
      ...(concurrency !== undefined && { concurrency }),
    };
  }

  readonly onProgress = (progress: Progress): void => this.output.progress(progress);

  /** Runs `work` on the open repository and closes it. */
  async withRepository<T>(work: (repository: Repository) => Promise<T>): Promise<T> {
    const location = this.location();
    const repository = await naming(location, () => this.#open(location));
    try {
      return await work(repository);
    } finally {
      await repository.close();
    }
  }

  async #open(location: string): Promise<Repository> {
    const { signal } = this;
    const options = { signal, ...this.engine() };
    const given = await fromEnvironment('PACKVAULT_PASSWORD', signal);
    if (given !== undefined) return Repository.open(location, { ...options, passphrase: given });
    try {
      return await Repository.open(location, options);
    } catch (error) {
      if (!PackvaultError.is(error) || error.code !== 'PASSPHRASE_REQUIRED') throw error;
      const typed = await passphrase(`Passphrase of ${location}: `, 'PACKVAULT_PASSWORD', signal);
      return Repository.open(location, { ...options, passphrase: typed });
    }
  }
}

/** Runs `work`; what it throws names the repository, for those who keep several. */
export async function naming<T>(location: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!PackvaultError.is(error) || error.message.includes(location)) throw error;
    const { code, retry, context, cause, message } = error;
    throw new PackvaultError({ code, retry, context, cause, message: `${location}: ${message}` });
  }
}
