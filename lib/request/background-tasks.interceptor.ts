import {
  Inject,
  Injectable,
  Optional,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Observable, type Subscription } from 'rxjs';
import type { Collection } from '../intake/collection.js';
import { attachCollection, findCollection } from '../intake/find-collection.js';
import { ambient } from '../task/ambient.js';
import { followStream } from './follow-handler.js';
import { Release } from './release.js';

/**
 * Commits a handler's tasks when it has completed, before its response leaves; the tasks start when
 * the response has closed. The module puts it wherever it is needed: there is nothing to do to use it.
 */
@Injectable()
export class BackgroundTasksInterceptor implements NestInterceptor {
  /** @internal */
  constructor(@Optional() @Inject(Release) private readonly release: Release | undefined) {}

  /**
   * Nest calls it for each request.
   *
   * @param context the request and its handler
   * @param next the handler, or the interceptors before it
   */
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { release } = this;
    if (release === undefined) {
      return next.handle(); // on a class that serves an application without the module, too
    }
    const collection = collectionOf(context, release);
    if (collection.handler !== 'none') {
      return next.handle(); // one around this one sees to it
    }
    return new Observable((subscriber) => {
      release.begin(collection);
      const handle = (): Subscription =>
        followStream(collection, next.handle()).subscribe(subscriber);
      // The context is entered again where something between the request's first hook and here has
      // lost it; for RPC and WebSocket there was no such hook.
      return ambient.getStore() === collection ? handle() : ambient.run(collection, handle);
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
