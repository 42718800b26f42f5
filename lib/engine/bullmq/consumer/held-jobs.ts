import type { LoggerService } from '@nestjs/common';
import type { Clock } from '../../../task/clock.js';
import { IdMap } from '../../../task/id-map.js';
import type { Task } from '../../../task/task.js';
import { LEFT, type Dropped, type Verdict } from '../../../task/verdict.js';
import type { QueueLimits, Restore, Worker } from '../../engine.js';
import type { TaskJob } from '../codec/stored-job.js';
import type { JobStore, Retention } from '../store/job-store.js';
import type { Persistence } from '../store/store-errors.js';

/** What the consumers of an engine share. */
export interface ConsumerHost {
  readonly queues: readonly QueueLimits[];
  readonly store: JobStore;
  readonly persistence: Persistence;
  /** This process, as the jobs that it adds name it. */
  readonly processId: string;
  readonly settings: { readonly lockDurationMs: number; readonly maxStarts: number };
  readonly retention: Retention;
  readonly restore: Restore;
  readonly worker: Worker;
  readonly clock: Clock;
  readonly logger: LoggerService;
  /** The handles that this process may have of its tasks. */
  readonly handles: {
    /** An attempt has begun. */
    started(task: Task): void;
    /** Recorded and announced. */
    settled(task: Task): void;
    /** Another worker has it, and tells how it ends. */
    lost(task: Task): void;
  };
  readonly idleness: {
    when(isIdle: () => boolean): Promise<void>;
    /** Something is no longer under way. */
    check(): void;
  };
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
      this.recorded(former.job); // though BullMQ has yet to say so
    } else if (former !== undefined) {
      this.over(former.job);
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
    const held = this.of(job);
    if (held?.verdict !== undefined) {
      this.announce(held, held.verdict);
    }
  }

  /**
   * BullMQ is done with the job. What was recorded has been announced by now; what was not has lost
   * its lock, and another worker has it and goes on with it.
   */
  over(job: TaskJob): void {
    const held = this.of(job);
    if (held !== undefined) {
      const { id, name } = held.task;
      this.host.logger.warn(
        `Task ${name} (${id}) is another worker's by now: this process did not renew its ` +
          'lock in time, because its event loop, the process or the store stood still. The outcome in the ' +
          'store counts, not the one in this process. See lockDuration.',
      );
      this.letGo(held);
      this.host.handles.lost(held.task);
    }
  }

  announce({ task }: Held, verdict: Verdict | Dropped): void {
    const { worker } = this.host;
    this.byId.delete(task.id);
    if (verdict.kind === 'retry') {
      task.status = 'retrying';
      worker.announce(task, verdict);
      worker.announce(task, LEFT);
    } else {
      task.isOver = true;
      worker.announce(task, verdict);
      this.host.handles.settled(task);
    }
    this.host.idleness.check();
  }

  /** It goes back to the store as it came. */
  letGo({ task }: Held): void {
    this.byId.delete(task.id);
    this.host.worker.announce(task, LEFT);
    this.host.idleness.check();
  }

  /** What this job is an attempt of: a task may be handed out again before BullMQ is done with the last. */
  private of(job: TaskJob | undefined): Held | undefined {
    const held = job?.id === undefined ? undefined : this.byId.get(job.id);
    return held?.job === job ? held : undefined;
  }
}
