/** The main job on real data: back up, change, back up, damage, verify, repair, restore, compare. */
import { createHash, randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  type OpenOptions,
  type Progress,
  type RepairResult,
  Repository,
  type Snapshot,
  type VerifyResult,
} from '../../index.ts';
import { bytes, counted } from '../render.ts';
import { type Damage, destroy, type Objects, objectsIn, untold } from './damage.ts';
import type { Input } from './inputs.ts';

/** A line of the table. */
export interface Step {
  readonly step: string;
  /** Bytes that went through. */
  readonly bytes?: number;
  readonly seconds?: number;
  /** One thing a line. */
  readonly result: string;
}

export interface Outcome {
  readonly steps: readonly Step[];
  /** Every byte of both backups came back. */
  readonly same: boolean;
  readonly bytesCompared: number;
}

/** What a trial needs from outside. */
export interface Surroundings {
  /** A folder of ours, empty but for the inputs. */
  readonly folder: string;
  readonly engine: OpenOptions;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** Says what is being done now. */
  readonly say: (step: string) => void;
}

const DEFECT = 'This is a defect of packvault: please report it.';

/** Small data makes small packs, so that there are enough of them to lose some. */
function packSize(inputs: readonly Input[]): number {
  const total = inputs.reduce((sum, { versions }) => sum + versions[0].size, 0);
  return Math.min(16 << 20, Math.max(1 << 20, 2 ** Math.floor(Math.log2(total / 16 + 1))));
}

export class Trial {
  readonly #around: Surroundings;
  readonly #inputs: readonly Input[];
  readonly #steps: Step[] = [];

  constructor(around: Surroundings, inputs: readonly Input[]) {
    this.#around = around;
    this.#inputs = inputs;
  }

  async run(): Promise<Outcome> {
    const location = join(this.#around.folder, 'repository');
    const options = {
      ...this.#around.engine,
      signal: this.#around.signal,
      passphrase: randomBytes(24).toString('base64'),
    };
    const init = { ...options, packSize: packSize(this.#inputs) };
    await this.#step(
      'make a repository',
      () => `encrypted, ${bytes(init.packSize)} packs`,
      async () => [await (await Repository.init(location, init)).close()],
    );
    const repository = await Repository.open(location, options);
    try {
      const first = await this.#ingest(repository, 'first backup', 0);
      const objects = await objectsIn(location);
      const second = await this.#ingest(repository, 'second, 1 % changed', 1);
      const damage = await this.#destroy(location, objects);
      await this.#verifyDamage(repository, damage, second);
      await this.#repair(repository);
      const same = [
        await this.#compare(repository, 'restore first', first, 0),
        await this.#compare(repository, 'restore second', second, 1),
      ];
      await this.#sizes(repository);
      const bytesCompared = first.originalSize + second.originalSize;
      return { steps: this.#steps, same: same.every(Boolean), bytesCompared };
    } finally {
      await repository.close();
    }
  }

  /** Runs `work`, which gives its value and how many bytes went through, and adds a line to the table. */
  async #step<T>(
    step: string,
    text: (value: T) => string,
    work: () => Promise<readonly [value: T, bytes?: number]>,
  ): Promise<T> {
    this.#around.say(step);
    const start = Date.now();
    const [value, count] = await work();
    const seconds = (Date.now() - start) / 1000;
    this.#steps.push({ step, seconds, result: text(value), ...(count !== undefined && { bytes: count }) });
    return value;
  }

  async #ingest(repository: Repository, step: string, version: 0 | 1): Promise<Snapshot> {
    const files = await Promise.all(this.#inputs.map(({ versions }) => open(versions[version].path, 'r')));
    try {
      const items = this.#inputs.map(({ name }, i) => ({ name, stream: files[i] ?? new Uint8Array(0) }));
      const { signal, onProgress } = this.#around;
      const text = ({ originalSize, storedSize, newChunks, reusedChunks }: Snapshot): string => {
        const known = `\n${((100 * reusedChunks) / (newChunks + reusedChunks)).toFixed(1)} % was there already`;
        return `${bytes(storedSize)} stored, ${ratio(originalSize, storedSize)}${version === 0 ? '' : known}`;
      };
      return await this.#step(step, text, async () => {
        const snapshot = await repository.ingestMulti(items, { signal, onProgress });
        return [snapshot, snapshot.originalSize];
      });
    } finally {
      await Promise.all(files.map((file) => file.close()));
    }
  }

  async #destroy(location: string, first: Objects): Promise<Damage> {
    return this.#step('damage', damageText, async () => [await destroy(first, await objectsIn(location))]);
  }

  /** Verify must tell every part of the damage: a check that finds some of it would look as good. */
  async #verifyDamage(repository: Repository, damage: Damage, second: Snapshot): Promise<void> {
    await this.#verify(repository, 'verify', (found) => {
      const missed = untold(damage, second, found);
      if (missed.length > 0) throw new Error(`verify did not find the damage to ${missed.join(', ')}. ${DEFECT}`);
      return `found all: ${counted(found.errors.length, 'fault')}`;
    });
  }

  async #verify(repository: Repository, step: string, judge: (found: VerifyResult) => string): Promise<void> {
    const { signal, onProgress } = this.#around;
    await this.#step(step, judge, async () => {
      const found = await repository.verify({ level: 'full', signal, onProgress });
      return [found, found.stats.bytesRead];
    });
  }

  async #repair(repository: Repository): Promise<void> {
    const { signal, onProgress } = this.#around;
    await this.#step('repair', repairText, async () => [await repository.repair({ signal, onProgress })]);
    await this.#verify(repository, 'verify again', ({ ok, errors }) => {
      if (!ok) throw new Error(`repair left ${counted(errors.length, 'fault')}. ${DEFECT}`);
      return 'no damage';
    });
  }

  /** Whether every item came back with the SHA-256 that its original had. */
  async #compare(repository: Repository, step: string, snapshot: Snapshot, version: 0 | 1): Promise<boolean> {
    const { signal, onProgress } = this.#around;
    return this.#step(step, comparisonText, async () => {
      let same = true;
      for (const { name, versions } of this.#inputs) {
        const hash = createHash('sha256');
        await pipeline(await repository.restore(snapshot.id, { item: name, signal, onProgress }), hash);
        same &&= hash.digest('hex') === versions[version].sha256;
      }
      return [same, snapshot.originalSize];
    });
  }

  async #sizes(repository: Repository): Promise<void> {
    const { originalBytes, storedBytes, parityBytes } = await repository.stats({ signal: this.#around.signal });
    const total = storedBytes + parityBytes;
    this.#steps.push({
      step: 'both backups',
      bytes: originalBytes,
      result: `${bytes(total)} on disk, ${ratio(originalBytes, total)}\n${bytes(parityBytes)} of it is parity`,
    });
  }
}

/** `3.4 : 1`. */
function ratio(original: number, stored: number): string {
  return `${(original / Math.max(1, stored)).toFixed(1)} : 1`;
}

function damageText({ flippedBytes }: Damage): string {
  return `2 packs deleted\n1 index deleted\n${flippedBytes} bytes flipped in a third`;
}

function repairText({ packsRepaired, indexRebuilt }: RepairResult): string {
  return `${counted(packsRepaired, 'pack')} rebuilt from parity${indexRebuilt ? '\nindex written anew' : ''}`;
}

function comparisonText(same: boolean): string {
  return same ? 'SHA-256 equal' : 'SHA-256 DIFFERS';
}
