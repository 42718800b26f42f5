import {
  Inject,
  Injectable,
  Logger,
  Optional,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Observable, tap } from 'rxjs';
import { otherCopyInUse, twoCopies } from '../intake/live-applications.js';
import { THIS_COPY } from '../task/background-method.js';
import { lifeHere, within } from './life-of-request.js';
import { beginMessage, handled } from './message.js';
import { MessageLife } from './message-life.js';
import type { RequestLife } from './request-life.js';
import { Requests } from './requests.js';

/**
 * A non-enumerable symbol in place of a private field: object walkers skip it, and a Proxy passes
 * it on.
 */
const REQUESTS = Symbol('nestjs-background-tasks:requests');

/**
 * Opens the task collection of a request around its handler, and releases it when the response has
 * closed. The module already does this for every request in cheaper ways, and uses this interceptor
 * where they do not work. Apply it yourself only behind an interceptor that calls a handler again.
 */
@Injectable()
export class BackgroundTasksInterceptor implements NestInterceptor {
  declare private readonly [REQUESTS]: Requests | undefined;

  /** @internal */
  constructor(@Optional() @Inject(Requests) requests: Requests | undefined) {
    Object.defineProperty(this, REQUESTS, { value: requests });
  }

  /**
   * Called by Nest for each request.
   *
   * @param context the request and its handler
   * @param next the handler, or the interceptors before it
   */
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const requests = this[REQUESTS];
    if (requests === undefined) {
      tellOfCopies();
      return next.handle(); // the class may also serve an application without the module
    }
    if (context.getType() !== 'http') {
      return aroundMessage(requests, context.getType(), next);
    }
    const [request, response] = context.getArgs<[object, object]>();
    return aroundAnswer(requests, requests.open(request, response), next);
  }
}

let areTold = false;

/** Silent where there is no second copy: the application may just lack the module. */
function tellOfCopies(): void {
  const copy = areTold ? undefined : otherCopyInUse();
  if (copy !== undefined) {
    areTold = true;
    new Logger('BackgroundTasks').warn(
      `BackgroundTasksInterceptor does nothing: ${twoCopies(THIS_COPY, copy, 'interceptor')}`,
    );
  }
}

/** HTTP: the status of the response decides which tasks run. */
function aroundAnswer(
  { clock }: Requests,
  life: RequestLife,
  next: CallHandler,
): Observable<unknown> {
  return new Observable((subscriber) => {
    life.begin(
      new Promise<void>((resolve) => {
        subscriber.add(() => clock.soon(resolve)); // Nest sends the answer after the interceptors have finished
      }),
    );
    return within(life, () => called(life, next).subscribe(subscriber));
  });
}

/** Messages have no response: the end of the handler decides which tasks run. */
function aroundMessage(requests: Requests, type: string, next: CallHandler): Observable<unknown> {
  return new Observable((subscriber) => {
    const here = lifeHere(requests.intake);
    const around = here instanceof MessageLife && !here.isOver ? here : undefined;
    if (around?.isSeenFurtherOut === true) {
      return called(around, next).subscribe(subscriber); // what is in between may still fail
    }
    const life = around ?? beginMessage(requests, type);
    life.isIntercepted = true;
    return handled(life, next.handle()).subscribe(subscriber);
  });
}

function called(life: RequestLife, next: CallHandler): Observable<unknown> {
  const failed = life.called();
  return next.handle().pipe(tap({ error: failed }));
}
