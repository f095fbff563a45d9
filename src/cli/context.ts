/** What every command has: its options, a way to the repository, and where to say things. */
import { PackvaultError, Repository, type Progress } from '../index.ts';
import { UsageError } from './exit-codes.ts';
import { fromEnvironment, passphrase } from './passphrase.ts';
import { ProgressLine } from './render.ts';

export type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

export class Context {
  readonly values: Values;
  readonly positionals: readonly string[];
  readonly signal: AbortSignal;
  readonly json: boolean;
  readonly progressLine: ProgressLine;

  constructor(values: Values, positionals: readonly string[], signal: AbortSignal) {
    this.values = values;
    this.positionals = positionals;
    this.signal = signal;
    this.json = values['json'] === true;
    this.progressLine = new ProgressLine(!this.json && values['quiet'] !== true);
  }

  /** The text of an option. */
  text(name: string): string | undefined {
    const value = this.values[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** The texts of an option that may be repeated. */
  list(name: string): string[] {
    const value = this.values[name];
    return Array.isArray(value) ? value.filter((part) => typeof part === 'string') : [];
  }

  flag(name: string): boolean {
    return this.values[name] === true;
  }

  /** `name=value` pairs. */
  tags(): Record<string, string> {
    const tags: Record<string, string> = {};
    for (const pair of this.list('tag')) {
      const at = pair.indexOf('=');
      if (at < 1) throw new UsageError(`--tag takes name=value, not ${JSON.stringify(pair)}.`);
      tags[pair.slice(0, at)] = pair.slice(at + 1);
    }
    return tags;
  }

  location(): string {
    const location = this.text('repo') ?? process.env['PACKVAULT_REPOSITORY'];
    if (location === undefined || location === '') {
      throw new UsageError('Which repository? Give --repo LOCATION or set PACKVAULT_REPOSITORY.');
    }
    return location;
  }

  /** Runs `work` on the open repository and closes it. */
  async withRepository<T>(work: (repository: Repository) => Promise<T>): Promise<T> {
    const repository = await this.#open();
    try {
      return await work(repository);
    } finally {
      await repository.close();
    }
  }

  async #open(): Promise<Repository> {
    const location = this.location();
    const given = await fromEnvironment('PACKVAULT_PASSWORD');
    const options = { signal: this.signal, ...this.engine() };
    if (given !== undefined) return Repository.open(location, { ...options, passphrase: given });
    try {
      return await Repository.open(location, options);
    } catch (error) {
      if (!PackvaultError.is(error) || error.code !== 'PASSPHRASE_REQUIRED') throw error;
      return Repository.open(location, { ...options, passphrase: await passphrase(`Passphrase of ${location}: `) });
    }
  }

  /** Options of the engine that every command takes. */
  engine(): { memoryLimit?: number; threads?: number } {
    const memory = this.number('memory-limit');
    const threads = this.number('threads');
    return {
      ...(memory !== undefined && { memoryLimit: memory * 2 ** 20 }),
      ...(threads !== undefined && { threads }),
    };
  }

  number(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (!/^\d+$/.test(text)) throw new UsageError(`--${name} takes a number, not ${JSON.stringify(text)}.`);
    return Number(text);
  }

  readonly onProgress = (progress: Progress): void => this.progressLine.show(progress);

  /** The result of a command: a JSON line, or text for people. */
  result(type: string, record: object, text: () => string): void {
    this.progressLine.clear();
    process.stdout.write(this.json ? `${JSON.stringify({ message_type: type, ...record })}\n` : `${text()}\n`);
  }

  /** Something to know beside the result. */
  note(text: string): void {
    this.progressLine.clear();
    process.stderr.write(`${text}\n`);
  }
}
