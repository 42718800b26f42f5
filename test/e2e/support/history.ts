import type { TaskEvent, TaskRunner } from 'nestjs-background-tasks';

const SETTLED = new Set<TaskEvent['type']>([
  'completed',
  'failed',
  'cancelled',
  'dropped',
  'abandoned',
]);

/** What has happened to an application's tasks since it was asked for, and ways to wait for more. */
export class History {
  readonly events: TaskEvent[] = [];
  private waiting: { readonly isOver: () => boolean; readonly resolve: () => void }[] = [];

  constructor(private readonly runner: TaskRunner) {
    runner.events.subscribe((event) => {
      this.events.push(event);
      const over = this.waiting.filter(({ isOver }) => isOver());
      this.waiting = this.waiting.filter((each) => !over.includes(each));
      over.forEach(({ resolve }) => resolve());
    });
  }

  /** The names of the tasks with an event of this type, in the order it happened. */
  names(type: TaskEvent['type']): string[] {
    return this.events.filter((event) => event.type === type).map(({ name }) => name);
  }

  /** Resolves when as many tasks have settled. */
  untilSettled(count: number): Promise<void> {
    return this.until(() => this.events.filter(({ type }) => SETTLED.has(type)).length >= count);
  }

  /** Resolves when a task of this name has had an event of this type. */
  untilSeen(type: TaskEvent['type'], name: string): Promise<void> {
    return this.until(() => this.names(type).includes(name));
  }

  untilIdle(): Promise<void> {
    return this.runner.whenIdle();
  }

  private until(isOver: () => boolean): Promise<void> {
    return isOver()
      ? Promise.resolve()
      : new Promise((resolve) => void this.waiting.push({ isOver, resolve }));
  }
}
