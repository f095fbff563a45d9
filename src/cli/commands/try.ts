import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Repository, type Snapshot } from '../../index.ts';
import type { Context } from '../context.ts';
import { EXIT, UsageError } from '../exit-codes.ts';
import type { Command } from '../main.ts';
import { bytes, duration, table } from '../render.ts';

export const command: Command = {
  usage: `Usage: packvault try [PATH...]
Backs up real data into a temporary encrypted repository, changes about 1 % of it, backs it up again, deletes two packs and an index,
damages a third pack, shows that verify finds it, repairs, restores both snapshots and compares every byte.
PATH: files or folders (default: this folder as one tar stream, and a generated SQL dump). Needs about 4 times their size in TMPDIR.`,
  async run(context) {
    const work = await mkdtemp(join(tmpdir(), 'packvault-try-'));
    try {
      return await new Trial(context, work).run();
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  },
};

interface Input {
  readonly name: string;
  /** The file before and after the changes. */
  readonly versions: readonly [string, string];
}

const DUMP_ROWS = 600_000;

class Trial {
  readonly #context: Context;
  readonly #work: string;
  readonly #rows: string[][] = [];

  constructor(context: Context, work: string) {
    this.#context = context;
    this.#work = work;
  }

  async run(): Promise<number> {
    const inputs = await this.#inputs();
    const location = join(this.#work, 'repository');
    const passphrase = randomBytes(24).toString('base64');
    const { signal } = this.#context;
    const init = await this.#timed('init, encrypted', 0, () => Repository.init(location, { passphrase, signal }));
    await init.close();
    const repository = await Repository.open(location, { passphrase, signal });
    try {
      const first = await this.#ingest(repository, 'first backup', inputs, 0);
      const second = await this.#ingest(repository, 'backup after 1 % changed', inputs, 1);
      await this.#destroy(location);
      await this.#verify(repository, false);
      await this.#timed(
        'repair',
        0,
        () => repository.repair({ signal, onProgress: this.#context.onProgress }),
        (done) =>
          `${done.packsRepaired} packs, ${done.parityRepaired} parity objects, index ${done.indexRebuilt ? 'rebuilt' : 'kept'}`,
      );
      await this.#verify(repository, true);
      const same =
        (await this.#compare(repository, first, inputs, 0)) && (await this.#compare(repository, second, inputs, 1));
      const stats = await repository.stats({ signal });
      this.#row(
        'repository',
        '',
        bytes(stats.storedBytes),
        `parity ${bytes(stats.parityBytes)}, dedup ${stats.dedupRatio.toFixed(2)}, compression ${stats.compressionRatio.toFixed(2)}`,
      );
      const outcome = same ? 'Every byte came back.' : 'BYTES DIFFER: this is a defect, please report it.';
      this.#context.result(
        'summary',
        { ok: same, steps: this.#rows },
        () => `${table(['Step', 'Time', 'Bytes', 'Result'], this.#rows)}\n\n${outcome}`,
      );
      return same ? EXIT.ok : EXIT.integrity;
    } finally {
      await repository.close();
    }
  }

  #row(...cells: string[]): void {
    this.#rows.push(cells);
  }

  async #timed<T>(step: string, size: number, work: () => Promise<T>, result?: (value: T) => string): Promise<T> {
    this.#context.note(`${step} …`);
    const start = Date.now();
    const value = await work();
    const seconds = (Date.now() - start) / 1000;
    const rate = size > 0 ? `${bytes(size / seconds)}/s` : '';
    this.#row(
      step,
      seconds < 10 ? `${seconds.toFixed(2)} s` : duration(seconds),
      size > 0 ? bytes(size) : '',
      [rate, result?.(value) ?? ''].filter((part) => part !== '').join(', '),
    );
    return value;
  }

  async #inputs(): Promise<Input[]> {
    const paths = this.#context.positionals;
    const inputs: Input[] = [];
    if (paths.length === 0) {
      inputs.push(await this.#changed('checkout.tar', (to) => tar(process.cwd(), to, this.#context.signal)));
      inputs.push(await this.#dump());
    }
    for (const [number, path] of paths.entries()) {
      const folder = (await stat(path)).isDirectory();
      const name = `${number + 1}-${basename(resolve(path))}${folder ? '.tar' : ''}`;
      inputs.push(
        await this.#changed(name, (to) =>
          folder ? tar(path, to, this.#context.signal) : pipeline(createReadStream(path), createWriteStream(to)),
        ),
      );
    }
    return inputs;
  }

  /** A file, and the same with a stretch of every 8 MiB replaced and some bytes inserted: about 1 %. */
  async #changed(name: string, make: (path: string) => Promise<void>): Promise<Input> {
    const versions = [join(this.#work, `1-${name}`), join(this.#work, `2-${name}`)] as const;
    await this.#timed(`prepare ${name}`, 0, () => make(versions[0]));
    const step = 8 << 20;
    async function* edited(): AsyncGenerator<Uint8Array> {
      for await (const part of createReadStream(versions[0], { highWaterMark: step })) {
        const block = part as Buffer;
        const middle = block.length >> 1;
        const gone = Math.min(80_000, block.length - middle);
        yield block.subarray(0, middle);
        yield randomBytes(gone + 37);
        yield block.subarray(middle + gone);
      }
    }
    await pipeline(edited, createWriteStream(versions[1]));
    return { name, versions };
  }

  async #dump(): Promise<Input> {
    const name = 'dump.sql';
    const versions = [join(this.#work, `1-${name}`), join(this.#work, `2-${name}`)] as const;
    await this.#timed(`prepare ${name}`, 0, async () => {
      await pipeline(rows(false), createWriteStream(versions[0]));
      await pipeline(rows(true), createWriteStream(versions[1]));
    });
    return { name, versions };
  }

  async #ingest(repository: Repository, step: string, inputs: readonly Input[], version: 0 | 1): Promise<Snapshot> {
    const files = await Promise.all(inputs.map(({ versions }) => open(versions[version], 'r')));
    try {
      const sizes = await Promise.all(files.map(async (file) => (await file.stat()).size));
      const items = inputs.map(({ name }, i) => ({ name, stream: files[i] ?? new Uint8Array(0) }));
      const { signal, onProgress } = this.#context;
      const total = sizes.reduce((sum, size) => sum + size, 0);
      return await this.#timed(
        step,
        total,
        () => repository.ingestMulti(items, { signal, onProgress, tags: { version: String(version + 1) } }),
        (done) => `${bytes(done.storedSize)} stored, ${done.newChunks} chunks new, ${done.reusedChunks} there already`,
      );
    } finally {
      await Promise.all(files.map((file) => file.close()));
    }
  }

  /** Deletes two packs and one idx, and flips bytes in a third pack. */
  async #destroy(location: string): Promise<void> {
    const names = await readdir(join(location, 'packs', 'data'), { recursive: true });
    const packs = names
      .filter((name) => name.endsWith('.pack'))
      .toSorted()
      .map((name) => join(location, 'packs', 'data', name));
    const [index] = (await readdir(join(location, 'index'))).toSorted();
    const [first, second, third] = packs;
    if (first === undefined || second === undefined || third === undefined || index === undefined) {
      throw new UsageError(
        'There is too little data for this: the repository needs three packs. Give more, or larger, files.',
      );
    }
    await rm(first);
    await rm(second);
    await rm(join(location, 'index', index));
    const damaged = await readFile(third);
    for (let at = damaged.length >> 2; at < damaged.length; at += damaged.length >> 2)
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
    await writeFile(third, damaged);
    this.#row('damage', '', '', '2 packs and 1 index deleted, bytes flipped in a third pack');
  }

  async #verify(repository: Repository, healthy: boolean): Promise<void> {
    const { signal, onProgress } = this.#context;
    const step = healthy ? 'verify again, full' : 'verify, full';
    const result = await this.#timed(
      step,
      0,
      () => repository.verify({ level: 'full', signal, onProgress }),
      (done) => (done.ok ? 'no damage' : `${done.errors.length} faults found`),
    );
    if (result.ok !== healthy)
      throw new Error(healthy ? `Repair left ${result.errors.length} faults.` : 'Verify did not find the damage.');
  }

  async #compare(
    repository: Repository,
    snapshot: Snapshot,
    inputs: readonly Input[],
    version: 0 | 1,
  ): Promise<boolean> {
    const { signal, onProgress } = this.#context;
    const compare = async (): Promise<boolean> => {
      for (const { name, versions } of inputs) {
        const restored = createHash('sha256');
        await pipeline(await repository.restore(snapshot.id, { item: name, signal, onProgress }), restored);
        const source = createHash('sha256');
        await pipeline(createReadStream(versions[version], { highWaterMark: 1 << 20 }), source);
        if (!restored.digest().equals(source.digest())) return false;
      }
      return true;
    };
    return this.#timed(`restore snapshot ${version + 1}`, snapshot.originalSize, compare, (same) =>
      same ? 'SHA-256 equal' : 'SHA-256 DIFFERS',
    );
  }
}

/** A folder as one tar file, without what builds leave. */
async function tar(folder: string, to: string, signal: AbortSignal): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const child = spawn('tar', ['-C', folder, '--exclude=./target', '--exclude=./.git', '-cf', '-', '.'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    signal,
  });
  const ended = new Promise<void>((resolved, rejected) => {
    child.once('error', rejected);
    // 1: a file changed while it was read, which does no harm here.
    child.once('close', (code) =>
      code === 0 || code === 1 ? resolved() : rejected(new Error(`tar ended with ${String(code)}`)),
    );
  });
  await Promise.all([pipeline(child.stdout, createWriteStream(to)), ended]);
}

/** Rows of a dump, the same every time; `changed` alters one in a hundred, in runs. */
function* rows(changed: boolean): Generator<Buffer> {
  let state = 42;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
  let lines: string[] = [];
  for (let id = 1; id <= DUMP_ROWS; id += 1) {
    const [a, b, c] = [next(), next(), next()];
    const note = changed && id % 20_000 < 200 ? 'changed' : 'order';
    lines.push(
      `INSERT INTO orders VALUES (${id}, '${a.toString(36)}', ${b % 10_000}, '${note} ${c.toString(16)}', now());`,
    );
    if (lines.length === 5_000) {
      yield Buffer.from(`${lines.join('\n')}\n`);
      lines = [];
    }
  }
}
