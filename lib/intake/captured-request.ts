import { isObject } from '../task/is-object.js';

/** What a task must not be given, because it may be closed when the task runs. */
export type Captured = 'a request' | 'a response' | 'a stream';

/**
 * Recognised by what it can do: requests and responses have no class in common across Express,
 * Fastify and fetch.
 *
 * @returns `undefined` for everything else
 */
export function capturedIn(argument: unknown): Captured | undefined {
  if (!isObject(argument)) {
    return undefined;
  }
  const { pipe, getReader, httpVersion, writeHead, raw, setHeader, hijack } = argument as Record<
    string,
    unknown
  >;
  const isStream = typeof pipe === 'function' || typeof getReader === 'function';
  if (typeof writeHead === 'function' && typeof setHeader === 'function') {
    return 'a response';
  }
  if (isStream && typeof httpVersion === 'string') {
    return 'a request';
  }
  if (isStream) {
    return 'a stream';
  }
  // Fastify's own, which hold Node's.
  if (capturedIn(raw) !== undefined) {
    return typeof hijack === 'function' ? 'a response' : 'a request';
  }
  return fetchKindOf(argument);
}

function fetchKindOf(argument: object): Captured | undefined {
  switch (Object.prototype.toString.call(argument)) {
    case '[object Request]':
      return 'a request';
    case '[object Response]':
      return 'a response';
    default:
      return undefined;
  }
}

/** Warns while an application is developed; in production it looks at nothing. */
export class CaptureWatch {
  private readonly isOn = process.env['NODE_ENV'] !== 'production';
  /** By task name: once each is enough. */
  private readonly warned = new Set<string>();

  constructor(private readonly warn: (name: string, what: Captured, position: number) => void) {}

  look(name: string, args: readonly unknown[]): void {
    if (!this.isOn || args.length === 0 || this.warned.has(name)) {
      return;
    }
    for (const [index, argument] of args.entries()) {
      const what = safely(argument);
      if (what !== undefined) {
        this.warned.add(name);
        return this.warn(name, what, index + 1);
      }
    }
  }
}

/** Looking at a user's object may run a getter of it, which may throw. */
function safely(argument: unknown): Captured | undefined {
  try {
    return capturedIn(argument);
  } catch {
    return undefined;
  }
}
