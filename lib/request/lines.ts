import type { RequestSettings } from '../options/module-options.js';
import type { Chain, Task } from '../task/task.js';

/**
 * Links the tasks of a request to the lines in which they run.
 *
 * @returns the heads of the lines
 */
export function linesOf(
  tasks: readonly Task[],
  { order, onFailure }: RequestSettings,
): readonly Task[] {
  if (order === 'concurrent') {
    return chainsOf(tasks);
  }
  bind(tasks, { order, onFailure });
  if (tasks.length <= 1) {
    return tasks;
  }
  const own = new Set(tasks);
  const heads: Task[] = [];
  let last: Task | undefined;
  for (const task of tasks) {
    // What is to start later does not hold up the tasks after it, unless they depend on it.
    if (task.settings.delayMs > 0 && task.chain === undefined) {
      heads.push(task);
    } else {
      last = append(task, last, heads, own);
    }
  }
  return heads;
}

/**
 * Makes one chain of all the tasks of a request that were to run, where one that fails is to stop
 * those after it. What was dropped for how the handler ended has not failed.
 */
export function bind(tasks: readonly Task[], { onFailure }: RequestSettings): void {
  if (onFailure === 'stop') {
    const committed = tasks.filter(({ isCommitted }) => isCommitted);
    // Once only: whoever was cancelled between commit and release has broken this very chain.
    const bound = committed.find(({ chain }) => chain?.isWholeRequest);
    const chain: Chain = bound?.chain ?? { isBroken: false, isWholeRequest: true };
    committed.forEach((task) => {
      task.chain = chain;
    });
  }
}

/** Each chain is a line of its own, and so is each task outside of any. */
function chainsOf(tasks: readonly Task[]): readonly Task[] {
  const own = new Set(tasks);
  const heads: Task[] = [];
  const lasts = new Map<Chain, Task>();
  for (const task of tasks) {
    if (task.chain === undefined) {
      heads.push(task);
    } else {
      lasts.set(task.chain, append(task, lasts.get(task.chain), heads, own));
    }
  }
  return heads;
}

/** @param own the tasks that are being linked */
function append(task: Task, last: Task | undefined, heads: Task[], own: ReadonlySet<Task>): Task {
  if (last === undefined) {
    heads.push(task);
    return task;
  }
  // They may have been linked before, when some of them were not there, or others were. One that was
  // added to a chain of theirs since the response closed stands behind its predecessor already.
  let end = last;
  while (end.successor !== undefined && !own.has(end.successor)) {
    end = end.successor;
  }
  end.successor = task;
  return task;
}
