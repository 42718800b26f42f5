import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import { Task, type TaskHome } from '../../../lib/task/task.js';

/** An application that its tasks find nobody in. */
export const NOBODY: TaskHome = {
  addCall: () => undefined,
  mintId: ({ name }) => `id of ${name}`,
  cancel: () => false,
};

/** A task by itself, of no application. */
export function bareTask(name: string, home: TaskHome = NOBODY): Task {
  const settings = new ResolvedOptions({}).forTask(undefined, undefined);
  return new Task(home, name, settings, () => undefined, undefined, [], undefined, 0);
}
