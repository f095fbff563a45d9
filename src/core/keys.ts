/** Passphrases of a repository. */
import type { CallRequest } from './bridge.ts';
import { invalid, kdfCost, passphraseBytes } from './options.ts';
import type { CallOptions, KdfCost, KeyInfo } from './types.ts';

type Run = <T>(request: CallRequest, options: CallOptions) => Promise<T>;

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
    return this.#run<KeyInfo[]>({ verb: 'keys', options: {}, purpose: 'small' }, options);
  }

  /** Lets one more passphrase open the repository, and returns its id. No data is touched. */
  async add(passphrase: string | Uint8Array, options: AddKeyOptions = {}): Promise<string> {
    const { label = '', kdf = { memoryKiB: 131_072, iterations: 3, parallelism: 1 } } = options;
    if (typeof label !== 'string' || Buffer.byteLength(label) > 4096) {
      throw invalid('A label is text of at most 4,096 bytes.');
    }
    const secret = passphraseBytes(passphrase);
    if (secret === undefined) throw invalid('There is no passphrase to add.');
    try {
      const call = { label, cost: kdfCost(kdf) };
      return await this.#run<string>({ verb: 'addKey', options: call, secret, purpose: 'small' }, options);
    } finally {
      secret.fill(0);
    }
  }

  /** NOT_FOUND; INVALID_ARGUMENT for the last key, which cannot be removed. Older copies of the repository still open with the passphrase. */
  async remove(id: string, options: CallOptions = {}): Promise<void> {
    await this.#run<null>({ verb: 'removeKey', options: { id }, purpose: 'small' }, options);
  }
}
