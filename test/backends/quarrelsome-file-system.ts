/** A file system that can be told to refuse, and that tells what it was asked. */
import type { PathLike } from 'node:fs';
import nodeFileSystem, { type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import type { FileSystem } from '../../src/backends/local/index.ts';

/** A call to the operating system: `write`, `sync` and the like are of a file that is open. */
export interface SystemCall {
  readonly name: string;
  readonly path: string;
}

/** What to do instead of a call; `undefined`: the call. */
export type Quarrel = (call: SystemCall, real: () => Promise<unknown>) => Promise<unknown> | undefined;

/** The error that Node gives for an errno. */
export function systemError(code: string, call: SystemCall): Error {
  return Object.assign(new Error(`${code}: ${call.name} '${call.path}'`), { code, syscall: call.name });
}

/** Lets `quarrel` see every call. */
export function quarrelsome(quarrel: Quarrel): FileSystem {
  async function ask<T>(name: string, path: PathLike, real: () => Promise<T>): Promise<T> {
    const instead = quarrel({ name, path: String(path) }, real);
    return instead === undefined ? real() : (instead as Promise<T>);
  }
  const asked = {
    link: async (...given: Parameters<FileSystem['link']>) =>
      ask('link', given[1], async () => nodeFileSystem.link(...given)),
    rename: async (...given: Parameters<FileSystem['rename']>) =>
      ask('rename', given[1], async () => nodeFileSystem.rename(...given)),
    unlink: async (path: PathLike) => ask('unlink', path, async () => nodeFileSystem.unlink(path)),
    async open(path: PathLike, ...rest: [(string | number)?, number?]): Promise<FileHandle> {
      const handle = await ask('open', path, async () => nodeFileSystem.open(path, ...rest));
      return quarrelsomeHandle(handle, async (name, real) => ask(name, path, real));
    },
    mkdir: overPath('mkdir'),
    stat: overPath('stat'),
    readdir: overPath('readdir'),
  };
  function overPath(name: 'mkdir' | 'stat' | 'readdir') {
    return async (path: PathLike, ...rest: unknown[]): Promise<unknown> => {
      const real = nodeFileSystem[name] as (path: PathLike, ...rest: unknown[]) => Promise<unknown>;
      return ask(name, path, async () => real(path, ...rest));
    };
  }
  return asked as unknown as FileSystem;
}

function quarrelsomeHandle(
  handle: FileHandle,
  ask: (name: string, real: () => Promise<unknown>) => Promise<unknown>,
): FileHandle {
  return new Proxy(handle, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return async (...given: unknown[]): Promise<unknown> =>
        ask(String(name), async () => (member as (...all: unknown[]) => Promise<unknown>).apply(target, given));
    },
  });
}

/** Refuses the n-th (from 1) of the calls with these names. `met` tells afterwards whether there was one. */
export function refusingNth(
  nth: number,
  code: string,
  names: readonly string[],
): { fileSystem: FileSystem; met: () => boolean } {
  let calls = 0;
  const fileSystem = quarrelsome((call) => {
    if (!names.includes(call.name)) return undefined;
    calls += 1;
    return calls === nth ? Promise.reject(systemError(code, call)) : undefined;
  });
  return { fileSystem, met: () => calls >= nth };
}

/** Refuses every call with one of these names. */
export function refusing(code: string, names: readonly string[]): FileSystem {
  return quarrelsome((call) => (names.includes(call.name) ? Promise.reject(systemError(code, call)) : undefined));
}

/** Notes each call as its name and the last part of its path; temporary files are called `~`. */
export function recording(): { fileSystem: FileSystem; calls: string[] } {
  const calls: string[] = [];
  const fileSystem = quarrelsome(({ name, path }) => {
    calls.push(`${name} ${path.includes('.~tmp/') ? '~' : basename(path)}`);
    return undefined;
  });
  return { fileSystem, calls };
}
