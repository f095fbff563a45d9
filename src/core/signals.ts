/** Listening to signals that callers give. */
import { defaultMaxListeners, getMaxListeners, setMaxListeners } from 'node:events';

/** Calls `then` when the signal aborts; the result takes that back. One signal may be given to any number of calls. */
export function onAbort(signal: AbortSignal | undefined, then: () => void): () => void {
  if (signal === undefined) return () => undefined;
  // Node would warn of a leak at the eleventh call that is running. A limit that the caller chose stays.
  if (limitOf(signal) === defaultMaxListeners) setMaxListeners(Number.MAX_SAFE_INTEGER, signal);
  signal.addEventListener('abort', then, { once: true });
  return () => signal.removeEventListener('abort', then);
}

function limitOf(signal: AbortSignal): number | undefined {
  try {
    return getMaxListeners(signal);
  } catch {
    // Node 20 throws where there is no limit.
    return undefined;
  }
}
