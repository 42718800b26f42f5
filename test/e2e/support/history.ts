import type { TaskEvent, TaskRunner } from 'nestjs-background-tasks';
import { Waiting } from '../../support/waiting.js';

const SETTLED = ['completed', 'failed', 'cancelled', 'dropped', 'abandoned'] as const;

export type SettledEvent = Extract<TaskEvent, { type: (typeof SETTLED)[number] }>;

/** What has happened to an application's tasks since it was asked for, and ways to wait for more. */
export class History {
  readonly events: TaskEvent[] = [];
  protected readonly waiting = new Waiting();

  constructor(readonly runner: TaskRunner) {
    runner.events.subscribe((event) => {
      this.events.push(event);
      this.waiting.lookAgain();
    });
  }

  /** As if it had just been made. */
  forget(): void {
    this.events.length = 0;
  }

  /** The names of the tasks with an event of this type, in the order it happened. */
  names(type: TaskEvent['type']): string[] {
    return this.events.filter((event) => event.type === type).map(({ name }) => name);
  }

  get settled(): SettledEvent[] {
    return this.events.filter((event): event is SettledEvent =>
      (SETTLED as readonly string[]).includes(event.type),
    );
  }

  /** Resolves when as many tasks have settled. */
  async untilSettled(count: number): Promise<SettledEvent[]> {
    await this.waiting.until(() => this.settled.length >= count);
    return this.settled;
  }

  /** Resolves when every task that was added so far has settled. */
  untilAllSettled(): Promise<SettledEvent[]> {
    return this.untilSettled(this.names('added').length);
  }

  /** Resolves when tasks of all these names have had an event of this type. */
  untilSeen(type: TaskEvent['type'], ...names: string[]): Promise<void> {
    return this.waiting.until(() => names.every((name) => this.names(type).includes(name)));
  }
}
