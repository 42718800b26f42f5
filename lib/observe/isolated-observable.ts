import { Observable, type Observer, type Operator, type Subscription } from 'rxjs';

type Listener<T> = Partial<Observer<T>> | ((value: T) => void) | null | undefined;

/**
 * An observable whose listeners may throw. rxjs would rethrow the error from a timer, which ends
 * the process. Here it goes to `onListenerError`, and the listener stays subscribed. The same holds
 * for observables derived by `pipe()`.
 */
export class IsolatedObservable<T> extends Observable<T> {
  constructor(
    source: Observable<unknown>,
    private readonly onListenerError: (error: unknown) => void,
  ) {
    super();
    this.source = source as Observable<T>;
  }

  override lift<R>(operator?: Operator<T, R>): Observable<R> {
    const derived = new IsolatedObservable<R>(this, this.onListenerError);
    derived.operator = operator;
    return derived;
  }

  override subscribe(listener?: Listener<T>): Subscription;
  override subscribe(
    next?: ((value: T) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription;
  override subscribe(
    listener?: Listener<T>,
    onError?: ((error: unknown) => void) | null,
    onComplete?: (() => void) | null,
  ): Subscription {
    if (isOperatorSubscriber(listener)) {
      return super.subscribe(listener);
    }
    const observer: Partial<Observer<T>> =
      typeof listener === 'function' || !listener
        ? {
            next: listener ?? undefined,
            error: onError ?? undefined,
            complete: onComplete ?? undefined,
          }
        : listener;
    return super.subscribe({
      next: (value) => this.guard(() => observer.next?.(value)),
      error: (error: unknown) =>
        this.guard(() => (observer.error ? observer.error(error) : this.onListenerError(error))),
      complete: () => this.guard(() => observer.complete?.()),
    });
  }

  private guard(call: () => unknown): void {
    try {
      const result = call();
      if (result instanceof Promise) {
        result.catch((error: unknown) => this.onListenerError(error));
      }
    } catch (error) {
      this.onListenerError(error);
    }
  }
}

/** rxjs links operators by subscribers of its own, which pass on the errors that they catch. */
function isOperatorSubscriber<T>(listener: Listener<T>): listener is Observer<T> {
  return typeof listener === 'object' && listener !== null && 'isStopped' in listener;
}
