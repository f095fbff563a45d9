/** Passphrases of a repository. */
import type { CallRequest } from './bridge.ts';
import { invalid, kdfCost, passphraseBytes } from './options.ts';
import type { CallOptions, KdfCost, KeyInfo } from './types.ts';

type Run = <T>(request: CallRequest) => Promise<T>;

export interface AddKeyOptions extends CallOptions {
  /** For people. */
  readonly label?: string | undefined;
  /** Cost of Argon2id; default as in init. */
  readonly kdf?: KdfCost | undefined;
}

export class Keys {
  readonly #run: Run;

  constructor(run: Run) {
    this.#run = run;
  }

  /** INVALID_ARGUMENT if the repository is not encrypted. */
  async list(options: CallOptions = {}): Promise<KeyInfo[]> {
    return this.#run<KeyInfo[]>({ verb: 'keys', options: {}, share: 0, signal: options.signal });
  }

  /** Lets one more passphrase open the repository, and returns its id. No data is touched. */
  async add(passphrase: string | Uint8Array, options: AddKeyOptions = {}): Promise<string> {
    const { label = '', kdf = { memoryKiB: 131_072, iterations: 3, parallelism: 1 } } = options;
    if (Buffer.byteLength(label) > 4096) throw invalid('A label has at most 4,096 bytes.');
    const secret = passphraseBytes(passphrase);
    try {
      const request = {
        verb: 'addKey',
        options: { label, cost: kdfCost(kdf) },
        secret,
        share: 0,
        signal: options.signal,
      };
      return await this.#run<string>(request);
    } finally {
      secret?.fill(0);
    }
  }

  /** The last key cannot be removed. Older copies of the repository still open with the passphrase. */
  async remove(id: string, options: CallOptions = {}): Promise<void> {
    await this.#run<null>({ verb: 'removeKey', options: { id }, share: 0, signal: options.signal });
  }
}
