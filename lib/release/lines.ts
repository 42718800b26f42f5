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
  const isStrict = onFailure === 'stop';
  const chain: Chain | undefined = isStrict ? { isBroken: false } : undefined;
  const heads: Task[] = [];
  let last: Task | undefined;
  for (const task of tasks) {
    task.chain = chain ?? task.chain;
    // What is to start later does not hold up the tasks after it, unless they depend on it.
    if (task.settings.delayMs > 0 && task.chain === undefined) {
      heads.push(task);
    } else {
      last = append(task, last, heads);
    }
  }
  return heads;
}

/** Each chain is a line of its own, and so is each task outside of any. */
function chainsOf(tasks: readonly Task[]): readonly Task[] {
  const heads: Task[] = [];
  const lasts = new Map<Chain, Task>();
  for (const task of tasks) {
    if (task.chain === undefined) {
      heads.push(task);
    } else {
      lasts.set(task.chain, append(task, lasts.get(task.chain), heads));
    }
  }
  return heads;
}

function append(task: Task, last: Task | undefined, heads: Task[]): Task {
  if (last === undefined) {
    heads.push(task);
  } else {
    last.successor = task;
  }
  return task;
}
