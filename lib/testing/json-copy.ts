import type { Task } from '../task/task.js';

/** The arguments as a store of JSON returns them. @throws Error if they are not JSON */
export function jsonCopy({ name, args }: Task): readonly unknown[] {
  try {
    return JSON.parse(JSON.stringify(args)) as unknown[];
  } catch (error) {
    throw new Error(`Task ${name} cannot be stored: its arguments are not JSON.`, { cause: error });
  }
}
