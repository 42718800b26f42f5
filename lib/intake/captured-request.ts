import { isObject } from '../task/is-object.js';

/**
 * What a task must not be given, because it may be closed when the task runs: recognised by what it can
 * do, since requests, responses and streams have no class in common across Express, Fastify and fetch.
 */
function mayBeClosed(argument: unknown): boolean {
  if (!isObject(argument)) {
    return false;
  }
  const { pipe, getReader, writeHead, raw } = argument as Record<string, unknown>;
  return (
    [pipe, getReader, writeHead].some((method) => typeof method === 'function') ||
    /^\[object (?:Request|Response)\]$/.test(Object.prototype.toString.call(argument)) ||
    mayBeClosed(raw) // Fastify's own hold Node's
  );
}

/** Warns while an application is developed; in production it looks at nothing. */
export class CaptureWatch {
  private readonly isOn = process.env['NODE_ENV'] !== 'production';
  /** By task name: once each is enough. */
  private readonly warned = new Set<string>();

  constructor(private readonly warn: (name: string, position: number) => void) {}

  look(name: string, args: readonly unknown[]): void {
    if (!this.isOn || args.length === 0 || this.warned.has(name)) {
      return;
    }
    const index = args.findIndex(safely);
    if (index >= 0) {
      this.warned.add(name);
      this.warn(name, index + 1);
    }
  }
}

/** Looking at a user's object may run a getter of it, which may throw. */
function safely(argument: unknown): boolean {
  try {
    return mayBeClosed(argument);
  } catch {
    return false;
  }
}
