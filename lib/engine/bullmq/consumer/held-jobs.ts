import { IdMap } from '../../../task/id-map.js';
import { MAX_LINES } from '../../../task/log-lines.js';
import type { Task } from '../../../task/task.js';
import { LEFT, type Dropped, type Verdict } from '../../../task/verdict.js';
import type { Worker } from '../../engine.js';
import type { Idleness } from '../../idleness.js';
import { storable } from '../codec/stored-end.js';
import type { TaskJob } from '../codec/stored-job.js';
import type { JobStore } from '../store/job-store.js';
import type { OwnHandles } from '../view/own-handles.js';

/** A job that this process has, and the verdict to announce once it is recorded. */
export interface Held {
  readonly task: Task;
  readonly job: TaskJob;
  /** How many attempts had been recorded when the job was taken. */
  readonly attemptsBefore: number;
  verdict: Verdict | Dropped | undefined;
  /** Set by a cancellation, which may come before the attempt begins. */
  isCancelled: boolean;
}

/** How long a cancellation is remembered whose job may be on its way from the store, in milliseconds. */
const ON_ITS_WAY_MS = 10_000;

/** The jobs that this process has. A verdict is announced once BullMQ has recorded it. */
export class HeldJobs {
  private readonly byId = new IdMap<Held>();
  /** When each task was cancelled whose job this process did not hold, the latest last. */
  private readonly cancelledAt = new Map<string, number>();
  /** An attempt that begins after this is set is interrupted at once. */
  isStopping = false;

  constructor(
    private readonly store: JobStore,
    private readonly worker: Worker,
    private readonly handles: OwnHandles,
    private readonly idleness: Idleness,
  ) {}

  get isEmpty(): boolean {
    return this.byId.size === 0;
  }

  get tasks(): Task[] {
    return this.byId.values().map(({ task }) => task);
  }

  has(id: string): boolean {
    return this.byId.has(id);
  }

  whenEmpty(): Promise<void> {
    return this.idleness.when(() => this.isEmpty);
  }

  whenNoneIsAttempted(): Promise<void> {
    return this.idleness.when(() => this.tasks.every(({ attempt }) => attempt === undefined));
  }

  hold(task: Task, job: TaskJob): Held {
    const former = this.byId.get(task.id);
    const attemptsBefore = job.attemptsMade;
    if (former !== undefined && attemptsBefore > former.attemptsBefore) {
      this.recorded(former.job); // BullMQ's event has yet to come
    } else if (former !== undefined) {
      this.over(former.job);
    }
    this.forgetCancelled();
    const isCancelled = this.cancelledAt.delete(task.id);
    const held: Held = { task, job, attemptsBefore, verdict: undefined, isCancelled };
    this.byId.set(task.id, held);
    return held;
  }

  /** @param conclude turns the verdict into the answer to BullMQ */
  attempt<T>({ task }: Held, conclude: (verdict: Verdict) => Promise<T>): Promise<T> {
    return new Promise((resolve) => {
      task.status = 'running';
      this.worker.attempt(task, (_task, verdict) => resolve(conclude(verdict)));
      this.handles.started(task);
      if (this.isStopping) {
        task.attempt?.interrupt('abandoned');
      }
    });
  }

  /** @returns whether this process has the task, and its attempt has not ended */
  cancel(id: string): boolean {
    const held = this.byId.get(id);
    if (held !== undefined) {
      held.isCancelled = true;
    }
    if (held === undefined || held.verdict !== undefined) {
      return false;
    }
    held.task.attempt?.interrupt('cancelled');
    return true;
  }

  /**
   * A process has marked the task as cancelled. The store may have handed out the job without the mark just
   * before, and that answer may arrive later than this message.
   */
  cancelMarked(id: string): void {
    if (!this.cancel(id)) {
      this.forgetCancelled();
      this.cancelledAt.set(id, this.store.clock.now());
    }
  }

  private forgetCancelled(): void {
    for (const [id, at] of this.cancelledAt) {
      if (this.store.clock.now() - at < ON_ITS_WAY_MS) {
        return;
      }
      this.cancelledAt.delete(id);
    }
  }

  /** Resolves once no verdict on the task waits to be recorded. */
  whenRecorded(id: string): Promise<void> {
    return this.idleness.when(() => this.byId.get(id)?.verdict === undefined);
  }

  interrupt(): void {
    this.isStopping = true;
    this.tasks.forEach(({ attempt }) => attempt?.interrupt('abandoned'));
  }

  /** BullMQ has recorded the verdict on this job. */
  recorded(job: TaskJob | undefined): void {
    const held = this.of(job);
    if (held?.verdict === undefined) {
      return;
    }
    const { task, verdict, isCancelled } = held;
    this.announce(task, verdict);
    if (verdict.kind === 'retry' && isCancelled) {
      // Marked meanwhile: whoever takes the job next ends it, and is not to wait for the delay.
      const { backend } = this.store.queue(task.queue);
      void backend.promote(task.id).catch(() => undefined); // it is no longer delayed
    }
  }

  /**
   * BullMQ is done with the job. A recorded verdict has been announced by now. A job without one has lost
   * its lock, and another worker goes on with it.
   */
  over(job: TaskJob): void {
    const held = this.of(job);
    if (held !== undefined) {
      const { id, name } = held.task;
      this.store.logger.warn(
        `Task ${name} (${id}) is another worker's by now: this process did not renew its ` +
          'lock in time, because its event loop, the process or the store stood still. The outcome in the ' +
          'store counts, not the one in this process. See lockDuration.',
      );
      this.letGo(held);
      this.handles.lost(held.task);
    }
  }

  announce(task: Task, verdict: Verdict | Dropped): void {
    this.byId.delete(task.id);
    if (verdict.kind === 'retry') {
      task.status = 'retrying';
      this.worker.announce(task, verdict);
      this.worker.announce(task, LEFT);
    } else {
      task.isOver = true;
      this.worker.announce(task, verdict);
      this.handles.settled(task);
    }
    this.idleness.check();
  }

  /** The job goes back to the store as it came. */
  letGo({ task }: Held): void {
    this.byId.delete(task.id);
    this.worker.announce(task, LEFT);
    this.idleness.check();
  }

  /** Compares job objects: a task may be handed out again before BullMQ is done with its last job object. */
  private of(job: TaskJob | undefined): Held | undefined {
    const held = job?.id === undefined ? undefined : this.byId.get(job.id);
    return held?.job === job ? held : undefined;
  }
}

/** Progress and log lines that are not in the store yet. */
interface Unsaid {
  progress: string | undefined;
  lines: string[];
}

/**
 * Writes the progress and log lines of running tasks, for readers in other processes. Reports that the store
 * does not take at once are lost. A task may report faster than the store writes: one write of a task is
 * under way at a time, then the latest progress and the latest lines follow.
 */
export class Reports {
  private readonly unsaid = new Map<string, Unsaid>();

  constructor(private readonly store: JobStore) {}

  progressed(task: Task): void {
    try {
      this.say(task).progress = JSON.stringify(task.progress);
    } catch {
      // JSON cannot hold this progress: only this process sees it.
    }
  }

  logged(task: Task, line: string): void {
    const { lines } = this.say(task);
    lines.push(storable(line));
    if (lines.length > MAX_LINES) {
      lines.shift();
    }
  }

  private say({ id, queue }: Task): Unsaid {
    let unsaid = this.unsaid.get(id);
    if (unsaid === undefined) {
      unsaid = { progress: undefined, lines: [] };
      this.unsaid.set(id, unsaid);
      void this.write(id, queue, unsaid);
    }
    return unsaid;
  }

  private async write(id: string, queue: string, unsaid: Unsaid): Promise<void> {
    // Reports made in one go are written in one go.
    await Promise.resolve();
    try {
      const { backend } = this.store.queue(queue);
      while (unsaid.progress !== undefined || unsaid.lines.length > 0) {
        const { progress, lines } = unsaid;
        unsaid.progress = undefined;
        unsaid.lines = [];
        if (progress !== undefined) {
          await backend.updateProgress(id, { json: progress });
        }
        for (const line of lines) {
          await backend.addLog(id, line, MAX_LINES);
        }
      }
    } catch {
      // Reports may be lost, see above.
    } finally {
      this.unsaid.delete(id);
    }
  }
}
