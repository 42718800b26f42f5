import { breaksChain, type DropReason } from '../task/outcome.js';
import type { Task } from '../task/task.js';

export interface Drop {
  readonly task: Task;
  readonly reason: DropReason;
}

/** The fate of the tasks about which nothing was decided yet. */
export interface Plan {
  readonly run: readonly Task[];
  readonly drops: readonly Drop[];
}

/**
 * Decides the fate of a request's tasks. The tasks behind a gap in their chain are dropped here,
 * not when their turn comes: a store learns only of tasks that run, and would close the gap.
 *
 * @param decided tasks that run whatever has become of the request
 * @param stopOf what the tasks share that a cancelled one stops, if it stops any
 */
export function planOf(
  tasks: readonly Task[],
  hasSucceeded: boolean,
  decided?: ReadonlySet<Task>,
  stopOf?: (task: Task) => unknown,
): Plan {
  const run: Task[] = [];
  const drops: Drop[] = [];
  const broken: unknown[] = [];
  for (const task of tasks) {
    const { chain } = task;
    let isGap = task.isOver && (task.outcome === undefined || breaksChain(task.outcome));
    if (!task.isOver) {
      const isBehindGap =
        !task.isCommitted &&
        broken.length > 0 &&
        ((chain && broken.includes(chain)) || broken.includes(stopOf?.(task)));
      const reason = isBehindGap
        ? 'predecessor-failed'
        : decided?.has(task)
          ? undefined
          : reasonToDrop(task, hasSucceeded);
      if (reason !== undefined) {
        drops.push({ task, reason });
        isGap = true;
      } else if (!task.isCommitted) {
        run.push(task);
      }
    }
    if (chain !== undefined && isGap) {
      broken.push(chain);
    }
    if (stopOf !== undefined && task.outcome?.status === 'cancelled') {
      broken.push(stopOf(task));
    }
  }
  return { run, drops };
}

/** `undefined` where the task runs. */
function reasonToDrop({ settings }: Task, hasSucceeded: boolean): DropReason | undefined {
  switch (settings.when) {
    case 'success':
      return hasSucceeded ? undefined : 'request-failed';
    case 'failure':
      return hasSucceeded ? 'request-succeeded' : undefined;
    case 'always':
      return undefined;
  }
}
