/**
 * An SFTP server in this process, its files in memory: for what a real server can't be made to do. It has SFTP v3 and no extensions at
 * all, as some servers have none.
 */
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { posix } from 'node:path';
import ssh2, { type AuthContext, type Connection, type SFTPWrapper } from 'ssh2';

const { OPEN_MODE, STATUS_CODE } = ssh2.utils.sftp;
const FOLDER = 0o040700;
const FILE = 0o100600;

type Verb =
  | 'OPEN'
  | 'CLOSE'
  | 'READ'
  | 'WRITE'
  | 'FSTAT'
  | 'STAT'
  | 'OPENDIR'
  | 'READDIR'
  | 'REMOVE'
  | 'MKDIR'
  | 'RENAME';

export interface SeenRequest {
  readonly verb: Verb;
  /** Of the file, also where the request names a handle; of a RENAME the old one. */
  readonly path: string;
}

/** A refusal; or no answer at all; or the end of the connection, before or after the request has been carried out. */
type Fault = { readonly status: number; readonly message?: string } | 'silence' | 'cut' | 'cut after';

export interface SftpDoubleOptions {
  /** Chooses what becomes of a request; `undefined` carries it out. Called once per request; may change the files. */
  readonly fault?: (request: SeenRequest, double: SftpDouble) => Fault | undefined;
  /** RENAME replaces a file that has the new name, as some servers do; else it is refused. */
  readonly renameReplaces?: boolean;
  /** No READ gives more bytes than this. */
  readonly maxRead?: number;
  /** How to log in: with this password, in one of two ways. Default: anybody can. */
  readonly password?: { readonly method: 'password' | 'keyboard-interactive'; readonly word: string };
  /** Further connections are cut at once. */
  readonly maxConnections?: number;
  /** Without it, the server is one for shells only. */
  readonly offersSftp?: boolean;
}

// Takes answers that shall never arrive.
const nothing = (): void => undefined;
const MUTE: Reply['sftp'] = { status: nothing, handle: nothing, data: nothing, attrs: nothing, name: nothing };

interface File {
  bytes: Buffer;
}

interface Open {
  readonly path: string;
  readonly file?: File;
  names?: string[];
}

/** The answer to a request, on one session. */
interface Reply {
  readonly id: number;
  readonly sftp: Pick<SFTPWrapper, 'status' | 'handle' | 'data' | 'attrs' | 'name'>;
}

export class SftpDouble implements AsyncDisposable {
  readonly files: Map<string, File> = new Map();
  readonly folders: Set<string> = new Set(['/', '/home']);
  readonly requests: SeenRequest[] = [];
  /** The line that `hostKey` of the backend takes. */
  readonly hostKey: string;
  /** Connections that logged in, ever. */
  connections = 0;
  readonly #options: SftpDoubleOptions;
  readonly #server: ssh2.Server;
  readonly #live = new Set<Connection>();
  readonly #sessions: SFTPWrapper[] = [];
  readonly #handles = new Map<number, Open>();
  #lastHandle = 0;

  private constructor(options: SftpDoubleOptions) {
    this.#options = options;
    const keys = ssh2.utils.generateKeyPairSync('ed25519');
    this.hostKey = keys.public;
    this.#server = new ssh2.Server({ hostKeys: [keys.private] }, (connection) => this.#accept(connection));
  }

  static async start(options: SftpDoubleOptions = {}): Promise<SftpDouble> {
    const double = new SftpDouble(options);
    double.#server.listen(0, '127.0.0.1');
    await once(double.#server, 'listening');
    return double;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections, as a server does that is shut down. */
  cut(): void {
    for (const connection of this.#live) connection.end();
  }

  /** Ends all sessions of SFTP, as if its process had died, and leaves the connections open. */
  endSessions(): void {
    for (const session of this.#sessions.splice(0)) session.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(connection: Connection): void {
    if (this.#live.size >= (this.#options.maxConnections ?? Number.POSITIVE_INFINITY)) {
      connection.end();
      return;
    }
    this.#live.add(connection);
    // Missing in its types.
    (connection as unknown as Socket).setNoDelay(true);
    connection.on('close', () => this.#live.delete(connection));
    connection.on('error', () => undefined);
    connection.on('authentication', (context) => this.#authenticate(context));
    connection.on('ready', () => {
      this.connections += 1;
      connection.on('session', (accept) => {
        const session = accept();
        if (this.#options.offersSftp ?? true) session.on('sftp', (open) => this.#serve(open(), connection));
      });
    });
  }

  #authenticate(context: AuthContext): void {
    const { password } = this.#options;
    if (password === undefined) return context.accept();
    if (context.method === 'password' && password.method === 'password') {
      return context.password === password.word ? context.accept() : context.reject();
    }
    if (context.method !== 'keyboard-interactive' || password.method !== context.method) return context.reject();
    context.prompt([{ prompt: 'Password: ', echo: false }], (answers) =>
      answers[0] === password.word ? context.accept() : context.reject(),
    );
  }

  #serve(sftp: SFTPWrapper, connection: Connection): void {
    this.#sessions.push(sftp);
    /** Carries a request out, unless a fault was chosen for it. */
    const meet = (id: number, verb: Verb, path: string, work: (reply: Reply) => void): void => {
      const request = { verb, path };
      this.requests.push(request);
      const fault = this.#options.fault?.(request, this);
      if (fault === 'silence') return;
      if (typeof fault === 'object') return sftp.status(id, fault.status, fault.message);
      if (fault !== 'cut') work({ id, sftp: fault === undefined ? sftp : MUTE });
      if (fault !== undefined) connection.end();
    };
    const meetOpen = (id: number, verb: Verb, handle: Buffer, work: (reply: Reply, open: Open) => void): void => {
      const open = this.#handles.get(handle.readUInt32BE(0));
      if (open === undefined) throw new Error('the client used a handle that it had closed');
      meet(id, verb, open.path, (reply) => work(reply, open));
    };
    sftp.on('OPEN', (id, name, flags) => meet(id, 'OPEN', pathOf(name), (to) => this.#open(to, pathOf(name), flags)));
    sftp.on('STAT', (id, name) => meet(id, 'STAT', pathOf(name), (to) => this.#stat(to, pathOf(name))));
    sftp.on('OPENDIR', (id, name) => meet(id, 'OPENDIR', pathOf(name), (to) => this.#openFolder(to, pathOf(name))));
    sftp.on('MKDIR', (id, name) => meet(id, 'MKDIR', pathOf(name), (to) => this.#makeFolder(to, pathOf(name))));
    sftp.on('REMOVE', (id, name) =>
      meet(id, 'REMOVE', pathOf(name), (to) => done(to, this.files.delete(pathOf(name)))),
    );
    sftp.on('RENAME', (id, from, to) =>
      meet(id, 'RENAME', pathOf(from), (reply) => this.#rename(reply, pathOf(from), pathOf(to))),
    );
    sftp.on('READ', (id, handle, at, length) =>
      meetOpen(id, 'READ', handle, (to, open) => this.#read(to, open, at, length)),
    );
    sftp.on('WRITE', (id, handle, at, data) => meetOpen(id, 'WRITE', handle, (to, open) => write(to, open, at, data)));
    sftp.on('FSTAT', (id, handle) =>
      meetOpen(id, 'FSTAT', handle, (to, open) => to.sftp.attrs(to.id, attributesOf(open.file))),
    );
    sftp.on('READDIR', (id, handle) => meetOpen(id, 'READDIR', handle, (to, open) => this.#readFolder(to, open)));
    sftp.on('CLOSE', (id, handle) =>
      meetOpen(id, 'CLOSE', handle, (to) => done(to, this.#handles.delete(handle.readUInt32BE(0)))),
    );
  }

  #give({ id, sftp }: Reply, open: Open): void {
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE((this.#lastHandle += 1));
    this.#handles.set(this.#lastHandle, open);
    sftp.handle(id, handle);
  }

  #open(reply: Reply, path: string, flags: number): void {
    if ((flags & OPEN_MODE.CREAT) !== 0) {
      if (!this.folders.has(posix.dirname(path))) return done(reply, false);
      if (this.files.has(path) || this.folders.has(path)) return reply.sftp.status(reply.id, STATUS_CODE.FAILURE);
      this.files.set(path, { bytes: Buffer.alloc(0) });
    }
    const file = this.files.get(path);
    if (file !== undefined) return this.#give(reply, { path, file });
    return this.folders.has(path) ? reply.sftp.status(reply.id, STATUS_CODE.FAILURE) : done(reply, false);
  }

  #read({ id, sftp }: Reply, { file }: Open, at: number, length: number): void {
    const bytes = file?.bytes.subarray(at, at + Math.min(length, this.#options.maxRead ?? length));
    if (bytes === undefined || bytes.length === 0) sftp.status(id, STATUS_CODE.EOF);
    else sftp.data(id, bytes);
  }

  #stat(reply: Reply, path: string): void {
    const file = this.files.get(path);
    if (file === undefined && !this.folders.has(path)) return done(reply, false);
    reply.sftp.attrs(reply.id, attributesOf(file));
  }

  #openFolder(reply: Reply, path: string): void {
    if (!this.folders.has(path)) return done(reply, false);
    const inside = [...this.files.keys(), ...this.folders].filter((one) => one !== '/' && posix.dirname(one) === path);
    this.#give(reply, { path, names: inside.map((one) => posix.basename(one)) });
  }

  #readFolder({ id, sftp }: Reply, open: Open): void {
    // A few at a time, so that a listing takes several answers.
    const names = open.names?.splice(0, 3) ?? [];
    if (names.length === 0) return sftp.status(id, STATUS_CODE.EOF);
    const entryOf = (filename: string): { filename: string; longname: string; attrs: never } => {
      const attrs = attributesOf(this.files.get(posix.join(open.path, filename)));
      return { filename, longname: filename, attrs: attrs as never };
    };
    sftp.name(id, names.map(entryOf));
  }

  #makeFolder(reply: Reply, path: string): void {
    if (this.files.has(path) || this.folders.has(path)) return reply.sftp.status(reply.id, STATUS_CODE.FAILURE);
    done(reply, this.folders.has(posix.dirname(path)));
    if (this.folders.has(posix.dirname(path))) this.folders.add(path);
  }

  #rename(reply: Reply, from: string, to: string): void {
    const file = this.files.get(from);
    if (file === undefined || !this.folders.has(posix.dirname(to))) return done(reply, false);
    const isTaken = this.folders.has(to) || (this.files.has(to) && this.#options.renameReplaces !== true);
    if (isTaken) return reply.sftp.status(reply.id, STATUS_CODE.FAILURE);
    this.files.delete(from);
    this.files.set(to, file);
    done(reply, true);
  }
}

/** Names are relative to the home folder. */
function pathOf(name: string): string {
  return posix.resolve('/home', name);
}

function write(reply: Reply, { file }: Open, at: number, data: Buffer): void {
  if (file === undefined) return done(reply, false);
  const grown = Buffer.alloc(Math.max(file.bytes.length, at + data.length));
  file.bytes.copy(grown);
  data.copy(grown, at);
  file.bytes = grown;
  done(reply, true);
}

/** OK, or that there is no such file. */
function done({ id, sftp }: Reply, found: boolean): void {
  sftp.status(id, found ? STATUS_CODE.OK : STATUS_CODE.NO_SUCH_FILE);
}

function attributesOf(file: File | undefined): {
  mode: number;
  size: number;
  uid: number;
  gid: number;
  atime: number;
  mtime: number;
} {
  const mode = file === undefined ? FOLDER : FILE;
  const now = Math.floor(Date.now() / 1_000);
  return { mode, size: file?.bytes.length ?? 0, uid: 0, gid: 0, atime: now, mtime: now };
}
