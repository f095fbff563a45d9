/** Whose temporary file is this, and is its owner still alive? */
import { createHash } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';

/** A process, so described that no later or foreign process matches the description. */
export interface Owner {
  /** 16 hex digits for this boot of this machine and this process namespace; elsewhere than on Linux for the host name. */
  readonly host: string;
  readonly pid: number;
  /** When the process started, in clock ticks since boot; 0 where the system does not tell. No wall clock has a part in it. */
  readonly start: number;
}

/** `unknown`: another machine, boot or container; nothing here can tell. */
export type Verdict = 'alive' | 'dead' | 'unknown';

const NAME = /^([0-9a-f]{16})\.(\d+)\.(\d+)\.[0-9a-f]+$/;

/** The name of a temporary file; `unique` is random hex. */
export function temporaryName(owner: Owner, unique: string): string {
  return `${owner.host}.${owner.pid}.${owner.start}.${unique}`;
}

/** The owner that a name tells, or `undefined` for a name that is not ours. */
export function ownerOf(name: string): Owner | undefined {
  const [, host, pid, start] = NAME.exec(name) ?? [];
  return host === undefined ? undefined : { host, pid: Number(pid), start: Number(start) };
}

/** Judges an owner from where process `us` stands. Never throws. */
export async function judge(owner: Owner, us: Owner): Promise<Verdict> {
  if (owner.host !== us.host) return 'unknown';
  if (owner.pid === us.pid && owner.start === us.start) return 'alive';
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: the process is there and belongs to somebody else.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return 'dead';
  }
  const start = await startOf(owner.pid);
  if (start === 0 || owner.start === 0) return 'unknown';
  return start === owner.start ? 'alive' : 'dead';
}

let current: Promise<Owner> | undefined;

/** This process. */
export function self(): Promise<Owner> {
  current ??= describe();
  return current;
}

async function describe(): Promise<Owner> {
  const host = createHash('sha256')
    .update(await hostIdentity())
    .digest('hex')
    .slice(0, 16);
  return { host, pid: process.pid, start: await startOf(process.pid) };
}

async function hostIdentity(): Promise<string> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    return `${boot.trim()} ${await readlink('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

/** Field 22 of /proc/<pid>/stat (proc(5)); the second field may hold blanks and brackets, so it is counted from the last one. */
async function startOf(pid: number): Promise<number> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 0);
  } catch {
    return 0;
  }
}
