import { RequestMethod, type HttpServer } from '@nestjs/common';
import { attachedLife, within } from '../life-of-request.js';
import type { RequestLife } from '../request-life.js';
import type { Requests } from '../requests.js';

type Handler = (this: unknown, ...args: unknown[]) => unknown;

/** The methods with which Nest registers a route. */
const VERBS = Object.values(RequestMethod)
  .filter((method) => typeof method === 'string')
  .map((method) => method.toLowerCase());

/** The methods with which Nest registers its exception filters for errors outside routes. */
const LAST = ['setErrorHandler', 'setNotFoundHandler'];

/**
 * Tells each request that Nest is at work on its answer. Nest's callback for a route returns a
 * promise that settles after the exception filters. While Nest registers its routes, functions of
 * ours stand in front of the adapter's and wrap that callback. The wrapper also enters the async
 * context of the request, which a body parser loses.
 */
export class RouteWatch {
  private restore: (() => void)[] = [];

  constructor(private readonly requests: Requests) {}

  /** @returns whether the adapter registers routes as expected */
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

  /** Nest has registered its routes: restores the adapter. */
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
        return; // another function was put around it since
      }
      if (wasOwn) {
        registry[name] = own;
      } else {
        Reflect.deleteProperty(registry, name);
      }
    };
  }

  /**
   * Properties of the handler, its version and metadata for example, are found through the
   * prototype. Tracers read its name.
   */
  private follow(handler: Handler): Handler {
    const { intake } = this.requests;
    const call: Handler = function (request, response, next) {
      return work(attachedLife(request)?.of(intake), handler, this, [request, response, next]);
    };
    const callWithError: Handler = function (error, request, response, next) {
      const args = [error, request, response, next];
      return work(attachedLife(request)?.of(intake), handler, this, args);
    };
    // Express knows an error handler by its four parameters.
    const follower = handler.length === callWithError.length ? callWithError : call;
    Object.setPrototypeOf(follower, handler);
    return Object.defineProperty(follower, 'name', { value: handler.name, configurable: true });
  }
}

/**
 * Nest copies the metadata of a method to its callback. A bound method has none; but Nest 12 names
 * each callback `Class.method`, which no author names a function.
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
  // Nest returns a real promise. Any other thenable is left alone.
  if (result instanceof Promise) {
    life.begin(result);
  }
  return result;
}
