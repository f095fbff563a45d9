/** What a command says: results on standard output, the rest on standard error. */
import type { Progress } from '../index.ts';
import { exitCode, ReaderGone } from './exit-codes.ts';
import { printable, ProgressLine } from './render.ts';

const STATUS_MS = 1_000;
const WAITING_MS = 5_000;

export class Output {
  /** Records instead of text. */
  readonly json: boolean;
  readonly #quiet: boolean;
  readonly #line: ProgressLine;
  #results: NodeJS.WriteStream = process.stdout;
  #lastStatus = 0;
  #lastWaiting = -Infinity;

  constructor(json: boolean, quiet: boolean) {
    this.json = json;
    this.#quiet = quiet;
    this.#line = new ProgressLine(!json && !quiet);
  }

  /** Standard output is for the user's bytes: records go to standard error. */
  giveAwayStandardOutput(): void {
    this.#results = process.stderr;
  }

  /** A JSON line; nothing for people. */
  record(type: string, record: object): void {
    if (this.json) this.#results.write(`${JSON.stringify({ message_type: type, ...record })}\n`);
  }

  /** A result: a JSON line, or text for people. */
  result(type: string, record: object, text: () => string): void {
    this.clear();
    if (this.json) this.record(type, record);
    else this.#results.write(`${text()}\n`);
  }

  /** Something to know beside the result: on standard error, and a JSON line. */
  warn(record: object, text: string): void {
    this.clear();
    this.record('warning', { ...record, message: text });
    this.#tell(`packvault: ${printable(text)}`);
  }

  /** A store that does not answer, for people who wait; one line in a while, however many requests wait. */
  waiting(text: string): void {
    if (this.json || this.#quiet || Date.now() - this.#lastWaiting < WAITING_MS) return;
    this.#lastWaiting = Date.now();
    this.clear();
    this.#tell(`packvault: ${printable(text)}`);
  }

  /** What is being done now, for people who wait. */
  step(text: string): void {
    this.clear();
    if (!this.json && !this.#quiet) process.stderr.write(`${text}\n`);
  }

  /** `total`: bytes, where the command knows them and the engine does not. */
  progress(progress: Progress, total?: number): void {
    const known = { ...(total !== undefined && { bytesTotal: total }), ...progress };
    this.#line.show(known);
    if (!this.json || this.#quiet || Date.now() - this.#lastStatus < STATUS_MS) return;
    this.#lastStatus = Date.now();
    const { operation, phase, bytesDone, bytesTotal, objectsDone, objectsTotal } = known;
    this.record('status', { operation, phase, bytesDone, bytesTotal, objectsDone, objectsTotal });
  }

  clear(): void {
    this.#line.clear();
  }

  /** The end that is none: the message for people, and a JSON line. */
  failure(error: unknown): void {
    this.clear();
    if (error instanceof ReaderGone) return;
    const message = error instanceof Error ? error.message : String(error);
    const { code = 'FAILED' } = error as { code?: unknown };
    this.record('error', { code: String(code), message, exitCode: exitCode(error) });
    this.#tell(`packvault: ${printable(message, '\n')}`);
    // Elsewhere the message says it all.
    const { cause } = error as { cause?: unknown };
    if ((code === 'UNAVAILABLE' || code === 'INTERNAL') && cause instanceof Error && !message.includes(cause.message)) {
      this.#tell(`  cause: ${printable(cause.message)}`);
    }
  }

  /** For people, beside records; where records have taken standard error, they say the same. */
  #tell(text: string): void {
    if (!this.json || this.#results !== process.stderr) process.stderr.write(`${text}\n`);
  }
}
