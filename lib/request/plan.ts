import { breaksChain, type DropReason } from '../task/outcome.js';
import type { Task } from '../task/task.js';

/** A task that does not run, and why. */
export interface Drop {
  readonly task: Task;
  readonly reason: DropReason;
}

/** What becomes of the tasks that nothing was decided about yet. */
export interface Plan {
  readonly run: readonly Task[];
  readonly drops: readonly Drop[];
}

/**
 * What becomes of a request's tasks. What follows a gap in its chain is dropped here and not when its
 * turn comes: a store is only told of tasks that are to run, and would close the gap.
 *
 * @param decided those that are to run whatever has become of the request
 * @param stopOf what the tasks have in common that one which was cancelled stops, if it stops any
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
    if (!task.isCommitted && !task.isOver) {
      const isBehindGap =
        broken.length > 0 && ((chain && broken.includes(chain)) || broken.includes(stopOf?.(task)));
      const reason = isBehindGap
        ? 'predecessor-failed'
        : decided?.has(task)
          ? undefined
          : reasonToDrop(task, hasSucceeded);
      if (reason === undefined) {
        run.push(task);
      } else {
        drops.push({ task, reason });
        isGap = true;
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

/** Why a task does not run, given how its request went; `undefined` where it does. */
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
