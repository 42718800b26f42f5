import type { Task } from '../../task/task.js';
import type { Verdict } from '../../task/verdict.js';
import type { End, Ledger } from './ledger.js';
import { membersOf } from './members.js';

/** How long a task waits whose start could not be recorded, in milliseconds. */
const RECORD_AGAIN_MS = 1_000;

/** Records what happens, where it is to survive the process, before it is announced. */
export class Recorder {
  /** Their attempts begin as soon as that is recorded. */
  private readonly starting = new Set<Task>();
  /** Settled, and not yet recorded as such. */
  private settling = 0;

  constructor(private readonly ledger: Ledger | undefined) {}

  /** Whether what it is told outlives the process. */
  get isLasting(): boolean {
    return this.ledger !== undefined;
  }

  get isIdle(): boolean {
    return this.settling === 0;
  }

  /**
   * An attempt is to begin.
   *
   * @returns `undefined` where it may at once, else what resolves when it may: to a verdict where it
   * is not to begin after all
   */
  begin(task: Task): Promise<Verdict | undefined> | undefined {
    const recorded = this.recordStart(task);
    return recorded === undefined ? undefined : this.onceRecorded(task, recorded);
  }

  /** Of those whose attempt is about to begin. @returns whether it was one */
  cancel(task: Task): boolean {
    return this.starting.delete(task);
  }

  /** Another attempt of it, and of those that run with it, is due at `dueAt`. */
  retrying(task: Task, dueAt: number): void {
    if (this.ledger !== undefined) {
      for (const member of membersOf(task)) {
        this.ledger.retrying(member, dueAt);
      }
    }
  }

  /** It makes the call of `other` now. */
  changed(task: Task, other: Task): void {
    this.ledger?.changed(task, other);
  }

  /**
   * Calls `tell` once the task's end is recorded.
   *
   * @returns whether there is something to wait for: else it is not called
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
    // A record that could not be removed means one more run after the next start: at least once.
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
      // What the disk does not take now, it may take later; until then the task is not lost.
      problem = { kind: 'retry', delayMs: RECORD_AGAIN_MS, error };
    }
    const isCancelled = !this.starting.delete(task);
    return isCancelled ? { kind: 'cancelled' } : problem;
  }
}
