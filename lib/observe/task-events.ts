import { Subject, type Observable } from 'rxjs';
import { inCopyOfContext } from '../task/async-context.js';
import type { Clock } from '../task/clock.js';
import { withError } from '../task/outcome.js';
import type { Task } from '../task/task.js';
import { IsolatedObservable } from './isolated-observable.js';
import type { EventDetails, TaskEvent } from './task-event.js';

/** Tells listeners what happens to tasks. Without a listener no event is created. */
export class TaskEvents {
  private readonly subject = new Subject<TaskEvent>();
  /** Called when the application starts, after everything in other modules that may fail. */
  readonly onStart: (() => void)[] = [];
  /** Hot: a subscriber sees later events only. Completes when the application has shut down. */
  readonly stream: Observable<TaskEvent>;

  constructor(
    private readonly clock: Clock,
    onListenerError: (error: unknown) => void,
  ) {
    this.stream = new IsolatedObservable(this.subject, onListenerError);
  }

  now(): number {
    return this.clock.now();
  }

  get isObserved(): boolean {
    return this.subject.observed;
  }

  emit<Type extends TaskEvent['type']>(type: Type, task: Task, details: EventDetails<Type>): void {
    if (!this.subject.observed) {
      return;
    }
    const { id, name, queue, attempts } = task;
    const event = { type, id, name, queue, at: this.clock.now(), attempt: attempts, ...details };
    if ('error' in event) {
      withError(event);
    }
    // Tasks start in the same turn: a listener may change its async context, but not theirs.
    inCopyOfContext((each) => this.subject.next(each), event as unknown as TaskEvent);
  }

  complete(): void {
    this.subject.complete();
  }
}
