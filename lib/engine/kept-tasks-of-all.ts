import type { Task } from '../task/task.js';
import type { TaskInfo } from '../task/task-info.js';
import type { Engine } from './engine.js';
import { inOrder, type KeptTasks, type StoredCounts, type TaskQuery } from './kept-tasks.js';

/** Combines the kept tasks of several engines. */
export class KeptTasksOfAll implements KeptTasks {
  readonly cancel?: (id: string) => Promise<boolean>;

  constructor(
    private readonly engines: readonly Engine[],
    private readonly engineOf: (queue: string) => Engine,
  ) {
    const shared = this.keptOf(undefined).filter(({ cancel }) => cancel !== undefined);
    if (shared.length > 0) {
      this.cancel = async (id) =>
        (await anyOf(shared.map(async (store) => (await store.cancel?.(id)) ?? false))) ?? false;
    }
  }

  find(id: string, queue?: string): Promise<TaskInfo | undefined> {
    return anyOf(this.keptOf(queue).map((store) => store.find(id)));
  }

  async list(query: TaskQuery): Promise<TaskInfo[]> {
    const lists = await Promise.all(this.keptOf(query.queue).map((store) => store.list(query)));
    return inOrder(lists.flat(), query).slice(0, query.limit);
  }

  async counts(queue: string | undefined): Promise<ReadonlyMap<string, StoredCounts>> {
    const counts = await Promise.all(this.keptOf(queue).map((store) => store.counts(queue)));
    return new Map(counts.flatMap((each) => Array.from(each)));
  }

  async forget(id: string): Promise<boolean> {
    return (await anyOf(this.keptOf(undefined).map((store) => store.forget(id)))) ?? false;
  }

  retry(id: string, queue?: string): Promise<Task | undefined> {
    return anyOf(this.keptOf(queue).map((store) => store.retry(id)));
  }

  private keptOf(queue: string | undefined): readonly KeptTasks[] {
    const engines = queue === undefined ? this.engines : [this.engineOf(queue)];
    return engines.flatMap(({ kept }) => kept ?? []);
  }
}

/**
 * The first value found, even if other answers reject.
 *
 * @throws the error of an answer that rejected, if none has a value: the missing one may have it
 */
async function anyOf<T>(answers: readonly Promise<T>[]): Promise<T | undefined> {
  const settled = await Promise.allSettled(answers);
  const values = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const found = values.find(Boolean);
  const refusal = settled.find((each) => each.status === 'rejected');
  if (found === undefined && refusal !== undefined) {
    throw refusal.reason;
  }
  return found;
}
