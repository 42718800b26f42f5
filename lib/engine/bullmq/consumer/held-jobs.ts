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

/** A job that this process has, and what is to be told once it is recorded. */
export interface Held {
  readonly task: Task;
  readonly job: TaskJob;
  /** How many attempts had been recorded when it was taken. */
  readonly attemptsBefore: number;
  verdict: Verdict | Dropped | undefined;
  /** Before its attempt began. */
  isCancelled: boolean;
}

/** The jobs that this process has: what became of them is announced when BullMQ has recorded it. */
export class HeldJobs {
  private readonly byId = new IdMap<Held>();
  /** What begins from now on is to end at once. */
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

  /** Resolves when no body runs. */
  whenNoneIsAttempted(): Promise<void> {
    return this.idleness.when(() => this.tasks.every(({ attempt }) => attempt === undefined));
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

  /** @param conclude what the attempt came to: what BullMQ is told of it */
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
    this.isStopping = true;
    this.tasks.forEach(({ attempt }) => attempt?.interrupt('abandoned'));
  }

  /** BullMQ has recorded the verdict on this job. */
  recorded(job: TaskJob | undefined): void {
    const held = this.of(job);
    if (held?.verdict !== undefined) {
      this.announce(held.task, held.verdict);
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

  /** It goes back to the store as it came. */
  letGo({ task }: Held): void {
    this.byId.delete(task.id);
    this.worker.announce(task, LEFT);
    this.idleness.check();
  }

  /** What this job is an attempt of: a task may be handed out again before BullMQ is done with the last. */
  private of(job: TaskJob | undefined): Held | undefined {
    const held = job?.id === undefined ? undefined : this.byId.get(job.id);
    return held?.job === job ? held : undefined;
  }
}

/** What a body has said since the store was last told. */
interface Unsaid {
  progress: string | undefined;
  lines: string[];
}

/**
 * What running tasks say of themselves, for those who look from another process; lost where the store
 * does not take it at once. A body may say more than the store can take: one write of a task is under
 * way at a time, then the latest progress and the latest lines follow.
 */
export class Reports {
  private readonly unsaid = new Map<string, Unsaid>();

  constructor(private readonly store: JobStore) {}

  progressed(task: Task): void {
    try {
      this.say(task).progress = JSON.stringify(task.progress);
    } catch {
      // No JSON holds it: it is seen in this process.
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
    // What is said in one go is written in one go.
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
      // As said above.
    } finally {
      this.unsaid.delete(id);
    }
  }
}
