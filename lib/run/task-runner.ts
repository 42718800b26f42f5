import type { Observable } from 'rxjs';
import type { TaskIntake } from '../collect/task-intake.js';
import type { TaskEvent } from '../observe/task-event.js';
import type { TaskEvents } from '../observe/task-events.js';
import type { TaskHandle } from '../task/task-handle.js';
import type { TaskOptions } from '../task/task-options.js';

/**
 * Tasks outside of a request: inject it into cron jobs, event handlers, message consumers and
 * scripts. A singleton, and so may be whatever injects it.
 */
export class TaskRunner {
  /** @internal */
  constructor(
    private readonly intake: TaskIntake,
    taskEvents: TaskEvents,
  ) {
    this.events = taskEvents.stream;
  }

  /**
   * What happens to tasks from now on. A listener that throws is logged, and hurts neither tasks nor
   * other listeners. Completes when the application has shut down.
   */
  readonly events: Observable<TaskEvent>;

  /**
   * Queues a task at once, also while a request is handled: it is not the request's then, and does
   * not wait for its response.
   *
   * @throws NotAFunctionError, ShutDownError
   */
  addTask<Args extends unknown[]>(
    fn: (...args: Args) => unknown,
    ...args: NoInfer<Args>
  ): TaskHandle;
  /** @throws NotAFunctionError, ShutDownError, UnknownOptionError, InvalidOptionError, UnknownQueueError */
  addTask<Args extends unknown[]>(
    options: TaskOptions,
    fn: (...args: Args) => unknown,
    ...args: NoInfer<Args>
  ): TaskHandle;
  addTask(...call: unknown[]): TaskHandle {
    return this.intake.add(call, undefined);
  }
}
