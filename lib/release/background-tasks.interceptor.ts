import {
  Inject,
  Injectable,
  Optional,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Observable, type Subscriber, type Subscription } from 'rxjs';
import type { Collection } from '../collect/collection.js';
import { attachCollection, findCollection } from '../collect/find-collection.js';
import { ambient } from '../task/ambient.js';
import { Release } from './release.js';
import { askToRetryLater } from './retry-later.js';

/**
 * Commits a handler's tasks when it has completed, before its response leaves; the tasks start when
 * the response has closed. Registered globally by the module: there is nothing to do to use it.
 */
@Injectable()
export class BackgroundTasksInterceptor implements NestInterceptor {
  /** @internal */
  constructor(@Optional() @Inject(Release) private readonly release: Release | undefined) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { release } = this;
    if (release === undefined) {
      return next.handle(); // on a class that serves an application without the module, too
    }
    const collection = collectionOf(context, release);
    return new Observable((subscriber) => {
      release.begin(collection);
      const handle = (): Subscription => followHandler(next, release, collection, subscriber);
      // The context is entered again where something between the request's first hook and here has
      // lost it; for RPC and WebSocket there was no such hook.
      const subscription =
        ambient.getStore() === collection ? handle() : ambient.run(collection, handle);
      return () => subscription.unsubscribe();
    });
  }
}

function collectionOf(context: ExecutionContext, release: Release): Collection {
  const isHttp = context.getType() === 'http';
  const [request, response] = context.getArgs<[object, object]>();
  const found = findCollection(isHttp ? request : undefined);
  const own = found !== undefined && release.owns(found) ? found : undefined;
  if (!isHttp) {
    // Each resolver of a GraphQL request ends on its own; RPC and WebSocket have nothing around.
    return release.open(undefined, own);
  }
  if (own !== undefined) {
    return own;
  }
  const opened = release.open(response);
  attachCollection(request, opened);
  return opened;
}

function followHandler(
  next: CallHandler,
  release: Release,
  collection: Collection,
  subscriber: Subscriber<unknown>,
): Subscription {
  let isOver = false;
  const subscription = next.handle().subscribe({
    next: (value) => subscriber.next(value),
    error: (error: unknown) => {
      isOver = true;
      askToRetryLater(error, collection.response);
      const stored = release.end(collection, false);
      after(stored, () => subscriber.error(error), subscriber);
    },
    complete: () => {
      isOver = true;
      // The response is sent on completion: it waits for the tasks to be stored.
      const stored = release.end(collection, true);
      after(stored, () => subscriber.complete(), subscriber);
    },
  });
  subscription.add(() => {
    if (!isOver) {
      isOver = true;
      release.leave(collection);
    }
  });
  return subscription;
}

function after(
  stored: Promise<void> | void,
  goOn: () => void,
  subscriber: Subscriber<unknown>,
): void {
  if (stored === undefined) {
    goOn();
  } else {
    stored.then(goOn, (error: unknown) => subscriber.error(error));
  }
}
