import type { TaskStatus } from '../task/outcome.js';
import type { Task } from '../task/task.js';
import type { DrainScope, Engine, EngineSupport, QueueState, Restore } from './engine.js';
import type { KeptTasks } from './kept-tasks.js';
import { KeptTasksOfAll } from './kept-tasks-of-all.js';

/** Combines several engines: each task goes to the engine of its queue. */
export class EngineRouter implements Engine {
  /** Counts events that may give an idle engine work. */
  private came = 0;

  constructor(private readonly byQueue: ReadonlyMap<string, Engine>) {}

  protected get engines(): readonly Engine[] {
    return [...new Set(this.byQueue.values())];
  }

  supportOf(queue: string): EngineSupport {
    return this.of(queue).supportOf(queue);
  }

  get kept(): KeptTasks | undefined {
    return this.engines.some(({ kept }) => kept !== undefined)
      ? new KeptTasksOfAll(this.engines, (queue) => this.of(queue))
      : undefined;
  }

  duplicateOf(dedupeKey: string): Task | undefined {
    return firstOf(this.engines, (engine) => engine.duplicateOf(dedupeKey));
  }

  admit(task: Task, isDeadLetter?: boolean): void {
    this.came += 1;
    this.of(task.queue).admit(task, isDeadLetter);
  }

  commit(heads: readonly Task[], isHeld?: boolean): Promise<void> | void {
    const commits = this.engines
      .map((engine) => heads.filter(({ queue }) => this.of(queue) === engine))
      .flatMap((own) => (own[0] && this.of(own[0].queue).commit(own, isHeld)) ?? []);
    return commits.length === 0 ? undefined : Promise.all(commits).then(() => undefined);
  }

  release(head: Task): PromiseLike<void> | void {
    this.came += 1;
    return this.ofTask(head).release(head);
  }

  discard(task: Task): void {
    this.ofTask(task).discard(task);
  }

  cancel(task: Task): boolean | Promise<boolean> {
    return this.ofTask(task).cancel(task);
  }

  async setPaused(isPaused: boolean, queue?: string, isEverywhere?: boolean): Promise<void> {
    const engines = queue === undefined ? this.engines : this.enginesOf(queue);
    await Promise.all(
      engines.map(async (engine) => engine.setPaused(isPaused, queue, isEverywhere)),
    );
  }

  protected enginesOf(queue: string): readonly Engine[] {
    return [this.of(queue)];
  }

  *tasks(): Generator<Task> {
    for (const engine of this.engines) {
      yield* engine.tasks();
    }
  }

  async states(): Promise<QueueState[]> {
    const states = await Promise.all(this.engines.map(async (engine) => engine.states()));
    return states.flatMap((each) => Array.from(each));
  }

  async ping(): Promise<void> {
    await Promise.all(this.engines.map(async (engine) => engine.ping()));
  }

  async open(restore: Restore): Promise<void> {
    await Promise.all(this.engines.map(async (engine) => engine.open(restore)));
  }

  async start(): Promise<void> {
    await Promise.all(this.engines.map(async (engine) => engine.start()));
  }

  async whenIdle(): Promise<void> {
    await this.together((engine) => engine.whenIdle());
  }

  async drain(deadline: number, awaited: DrainScope): Promise<void> {
    const drain = (engine: Engine): Promise<void> => engine.drain(deadline, awaited);
    if (awaited !== 'present') {
      return this.together(drain);
    }
    // New and postponed tasks are not awaited. A present task may still go on in another engine.
    const present = [...this.tasks()].filter(({ status }) => !isPutOff(status));
    await this.together(drain, () => present.every(({ outcome }) => outcome !== undefined));
  }

  async stop(graceMs: number): Promise<void> {
    await Promise.all(this.engines.map((engine) => engine.stop(graceMs)));
  }

  async close(): Promise<void> {
    await Promise.all(this.engines.map(async (engine) => engine.close()));
  }

  /** Repeats until all are done at once: a task of one engine may add to another that was done. */
  private async together(
    done: (engine: Engine) => Promise<void>,
    isEnough: () => boolean = () => false,
  ): Promise<void> {
    const { came } = this;
    await Promise.all(this.engines.map(done));
    if (this.came !== came && !isEnough()) {
      await this.together(done, isEnough);
    }
  }

  protected ofTask({ queue }: Task): Engine {
    return this.of(queue);
  }

  private of(queue: string): Engine {
    const engine = this.byQueue.get(queue);
    if (engine === undefined) {
      throw new Error(`No engine has a queue "${queue}".`);
    }
    return engine;
  }
}

function isPutOff(status: TaskStatus): boolean {
  return status === 'delayed' || status === 'retrying';
}

function firstOf<T, R>(items: readonly T[], find: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) {
      return found;
    }
  }
  return undefined;
}
