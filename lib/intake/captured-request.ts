import { isObject } from '../task/is-object.js';

/**
 * Whether an argument may be closed when the task runs. Requests, responses and streams have no
 * common class across Express, Fastify and fetch, so their methods tell.
 */
function mayBeClosed(argument: unknown): boolean {
  if (!isObject(argument)) {
    return false;
  }
  const { pipe, getReader, writeHead, raw } = argument as Record<string, unknown>;
  return (
    [pipe, getReader, writeHead].some((method) => typeof method === 'function') ||
    /^\[object (?:Request|Response)\]$/.test(Object.prototype.toString.call(argument)) ||
    mayBeClosed(raw) // Fastify's objects hold Node's
  );
}

/** Warns during development; does nothing in production. */
export class CaptureWatch {
  private readonly isOn = process.env['NODE_ENV'] !== 'production';
  /** One warning per task name is enough. */
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

/** Reading a user's object may run a getter that throws. */
function safely(argument: unknown): boolean {
  try {
    return mayBeClosed(argument);
  } catch {
    return false;
  }
}
