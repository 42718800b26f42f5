import type { HttpServer } from '@nestjs/common';
import type { Collection } from '../../intake/collection.js';
import { attachCollection, attachedCollection } from '../../intake/find-collection.js';
import { ambient } from '../../task/ambient.js';
import type { Release } from '../release.js';

type Next = (error?: unknown) => void;
type Middleware = (request: object, response: object, next: Next) => void;

/** The part of a Fastify instance that is needed here; the library depends on no adapter. */
interface FastifyLike extends MiddlewareRegistry {
  addHook(
    name: 'onRequest' | 'preValidation',
    hook: (request: object, reply: object, done: Next) => void,
  ): unknown;
}

/** Where middleware is registered. */
interface MiddlewareRegistry {
  use?: (...args: unknown[]) => unknown;
}

/**
 * Opens the collection of every request, and its async context, before anything else sees the
 * request: middleware, guards, pipes, interceptors, filters and deep singletons find it.
 */
export class RequestHook {
  private adapter: HttpServer | undefined;
  private isBeforeMiddleware = false;

  constructor(private readonly release: Release) {}

  /** As early as there is an adapter; on Fastify once more when it can register middleware. */
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
        this.installOnFastify(fastify);
      }
      this.openBeforeMiddleware(adapter as unknown as MiddlewareRegistry);
      this.openBeforeMiddleware(fastify);
    } else if (!isKnown) {
      adapter.use(this.middleware);
    }
  }

  private readonly middleware: Middleware = (request, response, next) => {
    ambient.run(this.open(request, response), next);
  };

  private installOnFastify(fastify: FastifyLike): void {
    fastify.addHook('onRequest', (request, reply, done) => {
      ambient.run(this.open(request, reply), done);
    });
    // The body's events come from the parser's own context: what listens to them has lost ours.
    fastify.addHook('preValidation', (request, _reply, done) => {
      const collection = attachedCollection(request);
      if (collection === undefined || ambient.getStore() === collection) {
        done();
      } else {
        ambient.run(collection, done);
      }
    });
  }

  /**
   * Nest's Fastify adapter runs middleware in a hook of its own which stands before any that can be
   * added. A middleware of ours goes in front of the first one there, and only if there is one:
   * having any costs every request.
   */
  private openBeforeMiddleware(registry: MiddlewareRegistry): void {
    const { use } = registry;
    if (use === undefined || this.isBeforeMiddleware) {
      return;
    }
    registry.use = (...args) => {
      registry.use = use;
      if (!this.isBeforeMiddleware) {
        this.isBeforeMiddleware = true;
        use.call(registry, this.middleware);
      }
      return use.apply(registry, args);
    };
  }

  /** On Fastify a request may come by twice: raw in a middleware, wrapped in the hook. */
  private open(request: object, response: object): Collection {
    const found = attachedCollection(request);
    if (found !== undefined && this.release.owns(found)) {
      return found;
    }
    const opened = this.release.open(response);
    attachCollection(request, opened);
    return opened;
  }
}
