/** What callers hear of a running call. */
import type { EngineProgress } from './bridge.ts';
import type { Emitter, RepositoryEvents } from './events.ts';
import type { CallOptions, VerifyError } from './types.ts';

/** From this attempt on a request that is repeated is worth telling: some seconds have passed. */
const LONG = 4;

/** Turns what the engine tells into events and progress. */
export function sampler(
  emitter: Emitter,
  operation: string,
  onProgress: CallOptions['onProgress'],
): (progress: EngineProgress) => void {
  return (progress) => {
    const { phase, bytesDone, objectsDone } = progress;
    const message = `${phase}: ${bytesDone} bytes`;
    for (const event of progress.events) {
      if (event.type === 'healed') emitter.emit('restore:healed', { pack: event.pack, bytes: event.bytes });
      else emitter.emit('verify:error', event.fault as VerifyError);
    }
    if (operation === 'ingest') {
      emitter.emit('ingest:progress', { operation, percentage: 0, message, bytesRead: bytesDone });
    }
    onProgress?.({
      operation,
      phase,
      bytesDone,
      objectsDone,
      message,
      ...(progress.bytesTotal > 0 && { bytesTotal: progress.bytesTotal }),
      ...(progress.objectsTotal > 0 && { objectsTotal: progress.objectsTotal }),
    });
  };
}

/** What every call takes of its options. */
export function sampling(options: CallOptions): Pick<CallOptions, 'signal' | 'onProgress'> {
  return { signal: options.signal, onProgress: options.onProgress };
}

/** Tells of a store that does not answer while a repository is opened, when nobody can listen for events yet. */
export function waiting(
  operation: string,
  { key, attempt, error }: RepositoryEvents['backend:retry'],
  onProgress: CallOptions['onProgress'],
): void {
  if (attempt < LONG) return;
  const message = `${key}: attempt ${attempt} failed, trying again: ${error.message}`;
  onProgress?.({ operation, phase: 'waiting for the store', bytesDone: 0, objectsDone: 0, message });
}
