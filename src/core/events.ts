/** Events of a repository. */
import type { PackvaultError } from './errors.ts';
import type { VerifyError } from './types.ts';

export interface RepositoryEvents {
  /** `percentage` is 0 while the total is unknown. */
  'ingest:progress': {
    readonly operation: string;
    readonly percentage: number;
    readonly message: string;
    readonly bytesRead: number;
  };
  'ingest:complete': { readonly snapshotId: string; readonly newChunks: number };
  'verify:error': VerifyError;
  'backend:retry': { readonly key: string; readonly attempt: number; readonly error: PackvaultError };
  /** A read met damage and parity gave the right bytes. */
  'restore:healed': { readonly pack: string; readonly bytes: number };
}

export interface Subscription extends Disposable {
  unsubscribe(): void;
}

type Handler = (payload: never) => void;

/** Handlers by event. One that throws does not disturb the verb: its error is thrown on its own. */
export class Emitter {
  readonly #handlers = new Map<keyof RepositoryEvents, Set<Handler>>();

  on<K extends keyof RepositoryEvents>(event: K, handler: (payload: RepositoryEvents[K]) => void): Subscription {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers);
    const own: Handler = (payload) => handler(payload);
    handlers.add(own);
    const unsubscribe = (): void => {
      handlers.delete(own);
    };
    return { unsubscribe, [Symbol.dispose]: unsubscribe };
  }

  has(event: keyof RepositoryEvents): boolean {
    return (this.#handlers.get(event)?.size ?? 0) > 0;
  }

  emit<K extends keyof RepositoryEvents>(event: K, payload: RepositoryEvents[K]): void {
    for (const handler of this.#handlers.get(event) ?? []) {
      try {
        (handler as (payload: RepositoryEvents[K]) => void)(payload);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
