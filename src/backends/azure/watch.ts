/** Limits of time for a request. The SDK's own do not end one on which the server falls silent. */
import { brokenAnswer, type FailedCall } from './errors.ts';

export interface Limits {
  readonly idleTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

/** What a request is told of its limits, and tells in turn. */
export interface Watch {
  /** Aborts when the caller does or a limit is reached. */
  readonly signal: AbortSignal;
  /** To be called whenever something has moved. */
  readonly moved: () => void;
}

/** Runs a request; when its caller aborts or a limit is reached it rejects at once, whatever the request does. */
export async function watched<T>(
  call: FailedCall,
  { idleTimeoutMs, requestTimeoutMs }: Limits,
  request: (watch: Watch) => Promise<T>,
): Promise<T> {
  call.signal?.throwIfAborted();
  const controller = new AbortController();
  const { signal } = controller;
  const give = (what: string) => (): void =>
    controller.abort(brokenAnswer(call, what, 'safe', 'The same call may be repeated'));
  const idle = setTimeout(give(`nothing moved for ${idleTimeoutMs} ms`), idleTimeoutMs);
  const whole = setTimeout(give(`it took more than ${requestTimeoutMs} ms`), requestTimeoutMs);
  const byCaller = (): void => controller.abort(call.signal?.reason);
  call.signal?.addEventListener('abort', byCaller, { once: true });
  const over = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  try {
    return await Promise.race([request({ signal, moved: () => void idle.refresh() }), over]);
  } finally {
    clearTimeout(idle);
    clearTimeout(whole);
    call.signal?.removeEventListener('abort', byCaller);
  }
}
