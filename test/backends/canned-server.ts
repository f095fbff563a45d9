/** A server that gives the answer it was told to, whatever it is asked: what real servers can't be made to say. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PackvaultError, type StorageBackend } from '../../src/index.ts';

export interface Canned {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** After the body, or without an answer: what becomes of the connection. */
  readonly after?: 'cut' | 'stall';
}

export interface CannedServer extends AsyncDisposable {
  readonly url: string;
  /** Of requests whose connection is still open. */
  open(): Promise<number>;
  /** The answer to all further requests; `cut` and `stall` alone give none. */
  say(answer: Canned | 'cut' | 'stall' | ((request: IncomingMessage) => Canned)): void;
  /** Method and URL of each request since the last answer was chosen. */
  readonly requests: string[];
}

export async function startCanned(): Promise<CannedServer> {
  let answer: Parameters<CannedServer['say']>[0] = 'cut';
  const requests: string[] = [];
  const give = (request: IncomingMessage, response: ServerResponse): void => {
    const {
      status,
      headers = {},
      body = '',
      after,
    } = typeof answer === 'function' ? answer(request) : (answer as Canned);
    response.writeHead(status, {
      ...(after === undefined && { 'content-length': Buffer.byteLength(body) }),
      ...headers,
    });
    if (after === undefined) response.end(request.method === 'HEAD' ? undefined : body);
    else response.write(body, () => void (after === 'cut' && response.destroy()));
  };
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (answer === 'stall') return;
    if (answer === 'cut') request.socket.destroy();
    else request.resume().on('end', () => give(request, response));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    say(next) {
      answer = next;
      requests.length = 0;
    },
    open: async () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

export async function errorOf(call: Promise<unknown>): Promise<PackvaultError> {
  const error = await call.then(
    () => new Error('the call succeeded'),
    (reason: unknown) => reason,
  );
  if (!PackvaultError.is(error)) throw error;
  return error;
}

/** The code and the retry class with which each verb is refused. */
export async function outcomesOf(store: StorageBackend): Promise<Record<string, string>> {
  const listing = async (): Promise<void> => {
    for await (const _ of store.list('')) break;
  };
  const calls: Record<string, () => Promise<unknown>> = {
    put: async () => store.put('b', new Uint8Array(10), { mode: 'create' }),
    get: async () => store.get('a'),
    range: async () => store.get('a', { offset: 10, length: 100 }),
    stat: async () => store.stat('a'),
    list: listing,
    delete: async () => store.delete(['a', 'b']),
  };
  const outcomes: Record<string, string> = {};
  for (const [name, call] of Object.entries(calls)) {
    outcomes[name] = await call().then(
      () => 'fine',
      (error: unknown) => (PackvaultError.is(error) ? `${error.code} ${error.retry}` : String(error)),
    );
  }
  return outcomes;
}

/** The same outcome of every verb. */
export function all(outcome: string): Record<string, string> {
  return Object.fromEntries(['put', 'get', 'range', 'stat', 'list', 'delete'].map((verb) => [verb, outcome]));
}
