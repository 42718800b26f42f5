import type { LogLines } from './log-lines.js';
import type { Outcome } from './outcome.js';
import type { StoredCall, Waits } from './stored-call.js';
import type { Chain, Task, TaskListener } from './task.js';

/** Rarely used fields of a task: see the accessors of the same names in {@link Task}. */
export class TaskExtras {
  progress: unknown = undefined;
  result: unknown = undefined;
  logs: LogLines | undefined = undefined;
  successor: Task | undefined = undefined;
  prior: Task | undefined = undefined;
  needs: Task | undefined = undefined;
  chain: Chain | undefined = undefined;
  followers: Task[] | undefined = undefined;
  leader: Task | undefined = undefined;
  stored: StoredCall | undefined = undefined;
  storing: Promise<void> | undefined = undefined;
  waits: Waits | undefined = undefined;
  isFromStore = false;
  listener: TaskListener | undefined = undefined;
  isKept = false;
  rest: Task[] | undefined = undefined;
  isRest = false;
  isClosingTheApplication = false;
  waiters: ((outcome: Outcome) => void)[] | undefined = undefined;

  told(outcome: Outcome): void {
    const { waiters } = this;
    this.waiters = undefined;
    waiters?.forEach((resolve) => resolve(outcome));
  }
}
