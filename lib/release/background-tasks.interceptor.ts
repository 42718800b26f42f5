import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { Observable, type Subscriber, type Subscription } from 'rxjs';
import type { Collection } from '../collect/collection.js';
import { attachCollection, findCollection } from '../collect/find-collection.js';
import { ambient } from '../task/ambient.js';
import type { Release } from './release.js';

/**
 * Commits a handler's tasks when it has completed, before its response leaves; the tasks start when
 * the response has closed. Registered globally by the module: there is nothing to do to use it.
 */
export class BackgroundTasksInterceptor implements NestInterceptor {
  /** @internal */
  constructor(private readonly release: Release) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const collection = this.collectionOf(context);
    return new Observable((subscriber) => {
      this.release.begin(collection);
      // The context is entered again where something between the request's first hook and here has
      // lost it; for RPC and WebSocket there was no such hook.
      const subscription =
        ambient.getStore() === collection
          ? this.handle(collection, next, subscriber)
          : ambient.run(collection, () => this.handle(collection, next, subscriber));
      return () => subscription.unsubscribe();
    });
  }

  private handle(
    collection: Collection,
    next: CallHandler,
    subscriber: Subscriber<unknown>,
  ): Subscription {
    let isOver = false;
    const subscription = next.handle().subscribe({
      next: (value) => subscriber.next(value),
      error: (error: unknown) => {
        isOver = true;
        this.release.fail(collection);
        subscriber.error(error);
      },
      complete: () => {
        isOver = true;
        // The response is sent on completion: it waits for the commit.
        const stored = this.release.commit(collection);
        if (stored === undefined) {
          subscriber.complete();
        } else {
          stored.then(
            () => subscriber.complete(),
            (error: unknown) => subscriber.error(error),
          );
        }
      },
    });
    subscription.add(() => {
      if (!isOver) {
        isOver = true;
        this.release.leave(collection);
      }
    });
    return subscription;
  }

  private collectionOf(context: ExecutionContext): Collection {
    const isHttp = context.getType() === 'http';
    const [request, response] = context.getArgs<[object, object]>();
    const found = findCollection(isHttp ? request : undefined);
    if (found !== undefined && this.release.owns(found)) {
      return found;
    }
    const opened = this.release.open(isHttp ? response : undefined);
    if (isHttp) {
      attachCollection(request, opened);
    }
    return opened;
  }
}
