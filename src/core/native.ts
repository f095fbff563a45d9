/** Loads the addon, and turns what the engine throws into `PackvaultError`. */
import { type ErrorCode, PackvaultError } from './errors.ts';

/** What the engine asks for (native/node/src/operations.rs). */
export interface Operation {
  readonly id: number;
  readonly call: number;
  readonly verb: string;
  readonly key: string;
  readonly after: string;
  readonly block: number;
  readonly offset: number;
  readonly length: number;
  readonly limit: number;
  readonly create: boolean;
  readonly sha256: string;
  readonly keys: string[];
}

/** A call of a verb. */
interface EngineRequest {
  readonly call: number;
  readonly verb: string;
  /** JSON. */
  readonly options: string;
  /** Bytes that it may hold. */
  readonly memory: number;
}

/** The addon's class (native/node/src/engine.rs). */
export interface Engine {
  call(request: EngineRequest, secret: Uint8Array | undefined): Promise<string>;
  /** The newest checkpoint that the repository has shown, as JSON. */
  seen(): string;
  /** What this client has seen of it, as `seen` gives it. */
  expect(seen: string): void;
  abort(id: number): void;
  finish(id: number): string;
  progress(id: number): string;
  done(id: number): void;
  bytes(id: number, bytes: Uint8Array): void;
  text(id: number, text: string): void;
  failed(id: number, code: string, message: string): void;
  close(): void;
}

interface Addon {
  readonly Engine: new (threads: number, perform: (operation: Operation) => void) => Engine;
}

let loading: Promise<Addon> | undefined;

/** The addon of this platform. INTERNAL if it is missing, with the loader's own error as cause. */
export function loadAddon(): Promise<Addon> {
  // A variable keeps the type checker from needing the built addon.
  const specifier: string = '#native';
  loading ??= import(specifier).catch((cause: unknown) => {
    loading = undefined;
    throw new PackvaultError({
      code: 'INTERNAL',
      message: `The native part of packvault for ${process.platform}-${process.arch} could not be loaded: ${deepest(cause)}. Install without --omit=optional, or build it with "npm run build".`,
      cause,
    });
  }) as Promise<Addon>;
  return loading;
}

function deepest(error: unknown): string {
  let found = error;
  while (found instanceof Error && found.cause instanceof Error) found = found.cause;
  return found instanceof Error ? (found.message.split('\n')[0] ?? '') : String(found);
}

interface Detail {
  readonly message: string;
  readonly context?: Record<string, string>;
  readonly origin?: number | null;
}

/** What a rejected engine call says. `original` gives the JavaScript error of a failed operation. */
export function decodeError(thrown: unknown, original: (operation: number) => unknown): PackvaultError {
  const { code, message } = thrown as { code?: string; message?: string };
  let detail: Detail = { message: message ?? String(thrown) };
  try {
    detail = JSON.parse(detail.message) as Detail;
  } catch {
    // Not from the engine's own table: the text is all there is.
  }
  const cause = typeof detail.origin === 'number' ? original(detail.origin) : undefined;
  if (PackvaultError.is(cause) && cause.code === code) return cause;
  return new PackvaultError({
    code: (code ?? 'INTERNAL') as ErrorCode,
    message: detail.message,
    context: detail.context ?? {},
    ...(cause !== undefined && { cause }),
  });
}
