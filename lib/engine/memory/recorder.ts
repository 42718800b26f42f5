import type { Task } from '../../task/task.js';
import type { Verdict } from '../../task/verdict.js';
import type { End, Ledger } from './ledger.js';
import { membersOf } from './members.js';

/** The wait after a failure to record a start, in milliseconds. */
const RECORD_AGAIN_MS = 1_000;

/** Records what happens to tasks before it is announced, if they have to survive the process. */
export class Recorder {
  /** Tasks whose start is being recorded; their attempts begin afterwards. */
  private readonly starting = new Set<Task>();
  /** The number of tasks whose end is being recorded. */
  private settling = 0;

  constructor(private readonly ledger: Ledger | undefined) {}

  /** Whether records outlive the process. */
  get isLasting(): boolean {
    return this.ledger !== undefined;
  }

  get isIdle(): boolean {
    return this.settling === 0;
  }

  /**
   * Records that an attempt begins.
   *
   * @returns `undefined` if it may begin at once. Otherwise a promise that resolves when it may, or
   * to a verdict if it must not
   */
  begin(task: Task): Promise<Verdict | undefined> | undefined {
    const recorded = this.recordStart(task);
    return recorded === undefined ? undefined : this.onceRecorded(task, recorded);
  }

  /** Cancels a task if its start is being recorded. */
  cancel(task: Task): void {
    this.starting.delete(task);
  }

  /** Records that the next attempt of a task, and of those that run with it, is due at `dueAt`. */
  retrying(task: Task, dueAt: number): void {
    if (this.ledger !== undefined) {
      for (const member of membersOf(task)) {
        this.ledger.retrying(member, dueAt);
      }
    }
  }

  /** Records that `task` makes the call of `other` now. */
  changed(task: Task, other: Task): void {
    this.ledger?.changed(task, other);
  }

  /**
   * Calls `tell` once the task's end is recorded.
   *
   * @returns false if there is nothing to wait for: then `tell` is not called
   */
  settled(task: Task, end: End, tell: (task: Task, end: End) => void): boolean {
    const { ledger } = this;
    if (ledger === undefined) {
      return false;
    }
    const told = (): void => {
      this.settling -= 1;
      tell(task, end);
    };
    const isKept = end.kind === 'abandoned' && end.isKept === true;
    // If the record cannot be removed, the task runs again after the next start: at least once.
    const isLater = isKept ? ledger.kept(task, told) : ledger.settled(task, end, told);
    this.settling += isLater ? 1 : 0;
    return isLater;
  }

  private recordStart(task: Task): Promise<unknown> | void {
    const { ledger } = this;
    if (ledger === undefined || task.followers === undefined) {
      return ledger?.starting(task);
    }
    const recorded = membersOf(task).flatMap((member) => ledger.starting(member) ?? []);
    return recorded.length === 0 ? undefined : Promise.all(recorded);
  }

  private async onceRecorded(task: Task, recorded: Promise<unknown>): Promise<Verdict | undefined> {
    this.starting.add(task);
    let problem: Verdict | undefined;
    try {
      await recorded;
    } catch (error) {
      // The disk may accept the record later; until then the task is not lost.
      problem = { kind: 'retry', delayMs: RECORD_AGAIN_MS, error };
    }
    const isCancelled = !this.starting.delete(task);
    return isCancelled ? { kind: 'cancelled' } : problem;
  }
}
