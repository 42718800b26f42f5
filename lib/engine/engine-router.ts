import { breaksChain, type TaskStatus } from '../task/outcome.js';
import type { Chain, Task } from '../task/task.js';
import type { TaskStorage } from '../task/stored-call.js';
import type { TransactionClient } from '../task/transaction-client.js';
import type {
  DrainScope,
  Engine,
  EngineSupport,
  QueueState,
  Restorer,
  SharedStore,
} from './engine.js';
import { SharedStores } from './shared-stores.js';

/** Several engines as one: each task goes to the engine of its queue. */
export class EngineRouter implements Engine {
  /** Counts what may give an engine something to do that had nothing. */
  private came = 0;

  constructor(private readonly byQueue: ReadonlyMap<string, Engine>) {}

  private get engines(): readonly Engine[] {
    return [...new Set(this.byQueue.values())];
  }

  storageOf(queue: string): TaskStorage | undefined {
    return this.of(queue).storageOf(queue);
  }

  supportOf(queue: string): EngineSupport | undefined {
    return this.of(queue).supportOf?.(queue);
  }

  get shared(): SharedStore | undefined {
    const engines = this.engines.filter(({ shared }) => shared !== undefined);
    return engines.length === 0
      ? undefined
      : new SharedStores(this.engines, (queue) => this.of(queue));
  }

  duplicateOf(dedupeKey: string): Task | undefined {
    return firstOf(this.engines, (engine) => engine.duplicateOf(dedupeKey));
  }

  admit(task: Task): void {
    this.came += 1;
    this.of(task.queue).admit(task);
  }

  commit(tasks: readonly Task[], isHeld?: boolean, after?: Task): Promise<void> | void {
    const commits = this.engines
      .flatMap((engine) => {
        const [own = [], ...behindOthers] = this.partsFor(engine, tasks);
        return [
          own.length === 0 ? undefined : this.commitTo(engine, own, isHeld, after),
          ...behindOthers.map((part) => engine.commit(part, true)),
        ];
      })
      .filter((commit) => commit !== undefined);
    return commits.length === 0 ? undefined : Promise.all(commits).then(() => undefined);
  }

  /**
   * An engine's share of a request. A store is not told of another engine's tasks, and would put what
   * is left of a chain together: each part that stands behind such a task is by itself, and waits for
   * its release.
   */
  private partsFor(engine: Engine, tasks: readonly Task[]): readonly Task[][] {
    const parts: Task[][] = [[]];
    const latest = new Map<Chain, Task[] | undefined>();
    for (const task of tasks) {
      const { chain, queue } = task;
      let part: Task[] | undefined;
      if (this.of(queue) === engine) {
        const isBehindAnother = engine.shared !== undefined && chain && latest.has(chain);
        part = isBehindAnother ? latest.get(chain) : parts[0];
        if (part === undefined) {
          parts.push((part = []));
        }
        part.push(task);
      }
      if (chain !== undefined) {
        latest.set(chain, part);
      }
    }
    return parts;
  }

  /** A store knows nothing of another engine's tasks: what follows one of those waits for its release. */
  private commitTo(
    engine: Engine,
    tasks: readonly Task[],
    isHeld: boolean | undefined,
    after: Task | undefined,
  ): Promise<void> | void {
    return after !== undefined && engine.shared !== undefined && this.of(after.queue) !== engine
      ? engine.commit(tasks, true)
      : engine.commit(tasks, isHeld, after);
  }

  storeWithin(client: TransactionClient, task: Task): Promise<string> | undefined {
    return this.of(task.queue).storeWithin?.(client, task);
  }

  release(head: Task): PromiseLike<void> | void {
    this.came += 1;
    return this.of(head.queue).release(head);
  }

  follow(predecessor: Task, task: Task): void {
    this.came += 1;
    const engine = this.of(task.queue);
    const before = this.of(predecessor.queue);
    const isShared = engine.shared !== undefined || before.shared !== undefined;
    if (before === engine) {
      engine.follow(predecessor, task);
    } else if (!isShared && !predecessor.isOver) {
      before.follow(predecessor, task); // in its line, as the tasks of a request are
    } else {
      void this.followElsewhere(predecessor, task);
    }
  }

  /** Settled in another engine, or to settle in another process: only its outcome tells. */
  private async followElsewhere(predecessor: Task, task: Task): Promise<void> {
    const outcome = await predecessor.whenSettled();
    if (task.chain !== undefined && breaksChain(outcome)) {
      task.chain.isBroken = true; // a store does not see the chain, and memory may come to it later
    }
    void this.release(task);
  }

  discard(task: Task): void {
    this.of(task.queue).discard(task);
  }

  cancel(task: Task): boolean | Promise<boolean> {
    return this.of(task.queue).cancel(task);
  }

  pause(queue?: string): void {
    this.some(queue).forEach((engine) => engine.pause(queue));
  }

  resume(queue?: string): void {
    this.some(queue).forEach((engine) => engine.resume(queue));
  }

  *tasks(): Generator<Task> {
    for (const engine of this.engines) {
      yield* engine.tasks();
    }
  }

  *states(): Generator<QueueState> {
    for (const engine of this.engines) {
      yield* engine.states();
    }
  }

  async ping(): Promise<void> {
    await Promise.all(this.engines.map(async (engine) => engine.ping?.()));
  }

  async open(restorer: Restorer): Promise<void> {
    await Promise.all(this.engines.map(async (engine) => engine.open(restorer)));
  }

  async start(restorer: Restorer): Promise<void> {
    await Promise.all(this.engines.map(async (engine) => engine.start(restorer)));
  }

  async whenIdle(): Promise<void> {
    await this.together((engine) => engine.whenIdle());
  }

  async drain(deadline: number, awaited: DrainScope): Promise<void> {
    const drain = (engine: Engine): Promise<void> => engine.drain(deadline, awaited);
    if (awaited !== 'present') {
      return this.together(drain);
    }
    // What comes is not waited for, nor what may be due too late; what is there may go on in another engine.
    const present = [...this.tasks()].filter(({ status }) => !isPutOff(status));
    await this.together(drain, () => present.every(({ outcome }) => outcome !== undefined));
  }

  async stop(graceMs: number): Promise<void> {
    await Promise.all(this.engines.map((engine) => engine.stop(graceMs)));
  }

  async close(): Promise<void> {
    await Promise.all(this.engines.map(async (engine) => engine.close()));
  }

  /** Until all are done at the same time: a task of one may add to another that was done before. */
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

  private of(queue: string): Engine {
    const engine = this.byQueue.get(queue);
    if (engine === undefined) {
      throw new Error(`No engine has a queue "${queue}".`);
    }
    return engine;
  }

  private some(queue: string | undefined): readonly Engine[] {
    return queue === undefined ? this.engines : [this.of(queue)];
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
