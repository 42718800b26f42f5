import type { Task } from '../task/task.js';
import type { TaskInfo } from '../task/task-info.js';
import type { Engine, QueueState, SharedStore, StoredCounts, TaskQuery } from './engine.js';

/** The stores of several engines as one. */
export class SharedStores implements SharedStore {
  constructor(
    private readonly engines: readonly Engine[],
    private readonly engineOf: (queue: string) => Engine,
  ) {}

  async find(id: string): Promise<TaskInfo | undefined> {
    const found = await Promise.all(this.stores.map((store) => store.find(id)));
    return found.find((view) => view !== undefined);
  }

  async list(query: TaskQuery): Promise<TaskInfo[]> {
    const lists = await Promise.all(this.of(query.queue).map((store) => store.list(query)));
    return lists.flat().slice(0, query.limit);
  }

  async counts(queue: string | undefined): Promise<ReadonlyMap<string, StoredCounts>> {
    const counts = await Promise.all(this.of(queue).map((store) => store.counts(queue)));
    return new Map(counts.flatMap((each) => Array.from(each)));
  }

  async cancel(id: string): Promise<boolean> {
    const cancelled = await Promise.all(this.stores.map((store) => store.cancel(id)));
    return cancelled.includes(true);
  }

  async forget(id: string): Promise<boolean> {
    const forgotten = await Promise.all(this.stores.map((store) => store.forget(id)));
    return forgotten.includes(true);
  }

  async retry(id: string): Promise<Task | undefined> {
    const tasks = await Promise.all(this.stores.map((store) => store.retry(id)));
    return tasks.find((task) => task !== undefined);
  }

  async states(): Promise<QueueState[]> {
    const states = await Promise.all(
      this.engines.map(async (engine) => engine.shared?.states() ?? [...engine.states()]),
    );
    return states.flat();
  }

  watch(task: Task): void {
    this.engineOf(task.queue).shared?.watch(task);
  }

  progressed(task: Task): void {
    this.engineOf(task.queue).shared?.progressed(task);
  }

  logged(task: Task, line: string): void {
    this.engineOf(task.queue).shared?.logged(task, line);
  }

  private of(queue: string | undefined): readonly SharedStore[] {
    return queue === undefined
      ? this.stores
      : [this.engineOf(queue).shared].filter((store) => store !== undefined);
  }

  private get stores(): readonly SharedStore[] {
    return this.engines.flatMap(({ shared }) => shared ?? []);
  }
}
