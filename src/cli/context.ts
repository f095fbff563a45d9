/** What every command has: its options, and a way to the repository. */
import { PackvaultError, type Progress, Repository } from '../index.ts';
import { UsageError } from './exit-codes.ts';
import type { Values } from './options.ts';
import type { Output } from './output.ts';
import { fromEnvironment, passphrase } from './passphrase.ts';

/** From this attempt on a request that is repeated is worth a line: some seconds have passed. */
const LONG = 4;

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
  engine(): {
    memoryLimit?: number;
    threads?: number;
    concurrency?: number;
    cache?: string | false;
    acceptRollback?: boolean;
  } {
    const cache = this.text('cache');
    if (cache === '') throw new UsageError('--cache takes a folder, or none.');
    const memory = this.number('memory-limit');
    const threads = this.number('threads');
    const concurrency = this.number('concurrency');
    return {
      ...(memory !== undefined && { memoryLimit: memory * 2 ** 20 }),
      ...(threads !== undefined && { threads }),
      ...(concurrency !== undefined && { concurrency }),
      ...(cache !== undefined && { cache: cache === 'none' ? false : cache }),
      ...(this.flag('accept-rollback') && { acceptRollback: true }),
    };
  }

  readonly onProgress = (progress: Progress): void => this.output.progress(progress);

  /** Runs `work` on the open repository and closes it. */
  async withRepository<T>(work: (repository: Repository) => Promise<T>): Promise<T> {
    const location = this.location();
    const repository = await naming(location, () => this.#open(location));
    repository.on('backend:retry', ({ key, attempt, error }) => {
      if (attempt >= LONG) this.output.waiting(`${key}: attempt ${attempt} failed, trying again: ${error.message}`);
    });
    try {
      return await work(repository);
    } finally {
      await repository.close();
    }
  }

  async #open(location: string): Promise<Repository> {
    const { signal } = this;
    const onProgress = ({ phase, message }: Progress): void => {
      if (phase === 'waiting for the store') this.output.waiting(message);
    };
    const options = { signal, onProgress, ...this.engine() };
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
