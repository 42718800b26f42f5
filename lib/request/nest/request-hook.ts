import type { HttpServer } from '@nestjs/common';
import { runIn } from '../../task/async-context.js';
import type { Requests } from '../requests.js';
import type { FastifyReply } from './answer-with.js';

type Next = (error?: unknown) => void;
type Middleware = (request: object, response: object, next: Next) => void;

/** The part of a Fastify instance that is needed here; the library depends on no adapter. */
interface FastifyLike extends MiddlewareRegistry {
  addHook(name: 'onRequest', hook: (request: object, reply: object, done: Next) => void): unknown;
}

interface MiddlewareRegistry {
  use?: (...args: unknown[]) => unknown;
}

/**
 * Opens the life of every request, and its async context, before anything else sees the request.
 * Middleware, guards, pipes, interceptors, filters and deep singletons all find it.
 */
export class RequestHook {
  private adapter: HttpServer | undefined;
  private isBeforeMiddleware = false;

  constructor(private readonly requests: Requests) {}

  /** Called as soon as there is an adapter, and on Fastify again once middleware can be registered. */
  install(adapter: HttpServer | undefined | null): void {
    const type: unknown = adapter?.getType?.();
    if (!adapter || !type) {
      return;
    }
    const isKnown = adapter === this.adapter;
    this.adapter = adapter;
    if (type === 'fastify') {
      const fastify = adapter.getInstance() as FastifyLike;
      if (!isKnown) {
        fastify.addHook('onRequest', (request, reply, done) => {
          runIn(this.requests.open(request, reply, reply as FastifyReply), done);
        });
      }
      this.openBeforeMiddleware(adapter as unknown as MiddlewareRegistry);
      this.openBeforeMiddleware(fastify);
    } else if (!isKnown) {
      adapter.use(this.middleware);
    }
  }

  private readonly middleware: Middleware = (request, response, next) => {
    runIn(this.requests.open(request, response, next), next);
  };

  /**
   * Nest's Fastify adapter runs middleware in a hook that comes before every hook we can add. So a
   * middleware of ours goes in front of the first one, and only if there is one: having any
   * middleware costs every request.
   */
  private openBeforeMiddleware(registry: MiddlewareRegistry): void {
    const { use } = registry;
    if (use === undefined || this.isBeforeMiddleware) {
      return;
    }
    const first = (...args: unknown[]): unknown => {
      if (registry.use === first) {
        registry.use = use; // unless another function was put around it since
      }
      if (!this.isBeforeMiddleware) {
        this.isBeforeMiddleware = true;
        use.call(registry, this.middleware);
      }
      return use.apply(registry, args);
    };
    registry.use = first;
  }
}
