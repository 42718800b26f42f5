import type { Task } from '../task/task.js';

/** What a task's arguments are after a store that keeps JSON. @throws Error where they are not JSON */
export function jsonCopy({ name, args }: Task): readonly unknown[] {
  try {
    return JSON.parse(JSON.stringify(args)) as unknown[];
  } catch (error) {
    throw new Error(`Task ${name} cannot be stored: its arguments are not JSON.`, { cause: error });
  }
}
