import { IdMap } from '../../../task/id-map.js';
import type { Task } from '../../../task/task.js';
import { LEFT, type Dropped, type Verdict } from '../../../task/verdict.js';
import type { TaskJob } from '../codec/stored-job.js';
import type { LoggerService } from '@nestjs/common';
import type { Clock } from '../../../task/clock.js';
import type { KeepLimits, Restore, Worker } from '../../engine.js';
import type { JobStore } from '../store/job-store.js';
import type { UnknownNames } from './unknown-names.js';

/** The part of an engine's settings that is needed here. */
export interface ConsumerSettings {
  readonly lockDurationMs: number;
  readonly maxStarts: number;
  /** How many completed tasks of a queue are kept. */
  readonly remember: number;
  /** How many that have failed, and for how long. */
  readonly keep: Pick<KeepLimits, 'count' | 'ageMs'>;
}

/** What a consumer shares with the others of its engine. */
export interface ConsumerHost {
  readonly store: JobStore;
  /** This process, as the jobs that it adds name it. */
  readonly processId: string;
  readonly settings: ConsumerSettings;
  readonly restore: Restore;
  readonly worker: Worker;
  readonly clock: Clock;
  readonly logger: LoggerService;
  readonly unknown: UnknownNames;
  /** An attempt has begun. */
  started(task: Task): void;
  /** Recorded and announced: for the handle that this process may have of the task. */
  settled(task: Task): void;
  /** Another worker has it, and tells how it ends. */
  lost(task: Task): void;
  /** Runs nothing of this process beside `act`. */
  alone<T>(act: () => Promise<T>): Promise<T>;
  /** Nothing of it is under way here any more. */
  freed(): void;
}

/** A job that this worker has, and what is to be told once it is recorded. */
export interface Held {
  readonly task: Task;
  readonly job: TaskJob;
  /** How many attempts had been recorded when it was taken. */
  readonly attemptsBefore: number;
  verdict: Verdict | Dropped | undefined;
  /** Before its attempt began. */
  isCancelled: boolean;
}

/** The jobs that a worker has: what became of them is announced when BullMQ has recorded it. */
export class HeldJobs {
  private readonly byId = new IdMap<Held>();

  constructor(private readonly host: ConsumerHost) {}

  get size(): number {
    return this.byId.size;
  }

  has(id: string): boolean {
    return this.byId.has(id);
  }

  get tasks(): Task[] {
    return this.byId.values().map(({ task }) => task);
  }

  hold(task: Task, job: TaskJob): Held {
    const former = this.byId.get(task.id);
    const attemptsBefore = job.attemptsMade;
    if (former !== undefined && attemptsBefore > former.attemptsBefore) {
      this.tell(former); // it is recorded, though BullMQ has yet to say so
    } else if (former !== undefined) {
      this.lose(former);
    }
    const held: Held = { task, job, attemptsBefore, verdict: undefined, isCancelled: false };
    this.byId.set(task.id, held);
    return held;
  }

  /** @returns whether there is such a task */
  cancel(id: string): boolean {
    const held = this.byId.get(id);
    if (held !== undefined) {
      held.isCancelled = true;
      held.task.attempt?.interrupt('cancelled');
    }
    return held !== undefined;
  }

  interrupt(): void {
    this.tasks.forEach(({ attempt }) => attempt?.interrupt('abandoned'));
  }

  /** BullMQ has recorded the verdict on this job. */
  recorded(job: TaskJob | undefined): void {
    this.tell(this.of(job));
  }

  /**
   * BullMQ is done with the job. What was recorded has been announced by now; what was not has lost
   * its lock, and another worker has it.
   */
  over(job: TaskJob): void {
    const held = this.of(job);
    if (held !== undefined) {
      this.lose(held);
    }
  }

  /** Whoever has its lock now goes on with it. */
  private lose({ task }: Held): void {
    const { logger, worker } = this.host;
    logger.warn(
      `Task ${task.name} (${task.id}) is another worker's by now: this process did not renew its ` +
        'lock in time, because its event loop, the process or the store stood still. The outcome in the ' +
        'store counts, not the one in this process. See lockDuration.',
    );
    this.byId.delete(task.id);
    worker.announce(task, LEFT);
    this.host.lost(task);
    this.host.freed();
  }

  announce(held: Held, verdict: Verdict | Dropped): void {
    const { task } = held;
    const { worker } = this.host;
    this.byId.delete(task.id);
    if (verdict.kind === 'retry') {
      task.status = 'retrying';
      worker.announce(task, verdict);
      worker.announce(task, LEFT);
    } else {
      task.isOver = true;
      worker.announce(task, verdict);
      this.host.settled(task);
    }
    this.host.freed();
  }

  /** It goes back to the store as it came. */
  letGo({ task }: Held): void {
    this.byId.delete(task.id);
    this.host.worker.announce(task, LEFT);
    this.host.freed();
  }

  private tell(held: Held | undefined): void {
    if (held?.verdict !== undefined) {
      this.announce(held, held.verdict);
    }
  }

  /** What this job is an attempt of: a task may be handed out again before BullMQ is done with the last. */
  private of(job: TaskJob | undefined): Held | undefined {
    const held = job?.id === undefined ? undefined : this.byId.get(job.id);
    return held?.job === job ? held : undefined;
  }
}
