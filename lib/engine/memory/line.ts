import type { Task } from '../../task/task.js';

/** Takes the settled head off its line. @returns the task behind it, whose turn it is now */
export function next(task: Task): Task | undefined {
  const { successor, chain, hasCompleted } = task;
  task.successor = undefined;
  if (chain !== undefined && !hasCompleted) {
    chain.isBroken = true;
  }
  return successor;
}

export function lastInLine(task: Task): Task {
  let last = task;
  while (last.successor !== undefined) {
    last = last.successor;
  }
  return last;
}
