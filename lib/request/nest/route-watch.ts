import { RequestMethod, type HttpServer } from '@nestjs/common';
import { attachedLife, within } from '../life-of-request.js';
import type { RequestLife } from '../request-life.js';
import type { Requests } from '../requests.js';

type Handler = (this: unknown, ...args: unknown[]) => unknown;

/** With what Nest registers a route, by its method. */
const VERBS = Object.values(RequestMethod)
  .filter((method) => typeof method === 'string')
  .map((method) => method.toLowerCase());

/** With what it registers its exception filters for what no route has caught. */
const LAST = ['setErrorHandler', 'setNotFoundHandler'];

/**
 * Knows while Nest works on an answer: its callback for a route returns a promise that settles after
 * the exception filters. Nest gives the callback to its adapter, and until all routes are registered
 * the adapter has functions of ours in front of its own. The callback is called in the async context of
 * its request, which the parser of a body has lost.
 */
export class RouteWatch {
  private restore: (() => void)[] = [];

  constructor(private readonly requests: Requests) {}

  /** @returns whether the adapter is as expected */
  begin(adapter: HttpServer): boolean {
    const registry = adapter as unknown as Record<string, Handler | undefined>;
    if (['get', 'post', 'put', 'delete', 'patch', 'all'].some((verb) => !registry[verb])) {
      return false;
    }
    for (const name of [...VERBS, ...LAST]) {
      const own = registry[name];
      if (typeof own === 'function') {
        this.restore.push(this.replace(registry, name, own));
      }
    }
    return true;
  }

  /** Nest has registered its routes: the adapter is as it was. */
  end(): void {
    this.restore.forEach((restore) => restore());
    this.restore = [];
  }

  private replace(registry: Record<string, unknown>, name: string, own: Handler): () => void {
    const isLast = LAST.includes(name);
    const wasOwn = Object.hasOwn(registry, name);
    const register: Handler = (...args) => {
      const index = args.findLastIndex((argument) => typeof argument === 'function');
      const handler = args[index] as Handler | undefined;
      if (handler !== undefined && (isLast || isRoute(handler))) {
        args[index] = this.follow(handler);
      }
      return Reflect.apply(own, registry, args);
    };
    registry[name] = register;
    return () => {
      if (registry[name] !== register) {
        return; // somebody has put a function of theirs around it since
      }
      if (wasOwn) {
        registry[name] = own;
      } else {
        Reflect.deleteProperty(registry, name);
      }
    };
  }

  /** What the handler has of its own, its version and metadata for example, is found through it; tracers read its name. */
  private follow(handler: Handler): Handler {
    const { intake } = this.requests;
    const call: Handler = function (request, response, next) {
      return work(attachedLife(request)?.of(intake), handler, this, [request, response, next]);
    };
    const callWithError: Handler = function (error, request, response, next) {
      const args = [error, request, response, next];
      return work(attachedLife(request)?.of(intake), handler, this, args);
    };
    // By its four parameters Express knows what handles errors.
    const follower = handler.length === callWithError.length ? callWithError : call;
    Object.setPrototypeOf(follower, handler);
    return Object.defineProperty(follower, 'name', { value: handler.name, configurable: true });
  }
}

/**
 * Nest leaves on its callback what the decorators have left on the method. A bound method has nothing of
 * it; but Nest 12 calls each callback `Class.method`, as no function is called by its author.
 */
function isRoute(handler: Handler): boolean {
  const isMarked = Reflect.hasMetadata('path', handler) && Reflect.hasMetadata('method', handler);
  return isMarked || /^[^ ]+\./.test(handler.name);
}

function work(
  life: RequestLife | undefined,
  handler: Handler,
  self: unknown,
  args: unknown[],
): unknown {
  if (life === undefined) {
    return handler.apply(self, args);
  }
  const result = within(life, () => handler.apply(self, args));
  // Only a promise of Nest's own: whatever else may be thenable is left alone.
  if (result instanceof Promise) {
    life.begin(result);
  }
  return result;
}
