import { ResultError } from '../errors/result.error.js';
import { problemAt } from './json-value.js';
import type { Task } from './task.js';

/** A task is remembered with its result, many at a time. */
const MAX_RESULT_BYTES = 65_536;

/** Keeps what the body hands over. @throws ResultError where JSON cannot hold it, or it is too long */
export function keepResult(task: Task, value: unknown): void {
  const problem = problemOfResult(value);
  if (problem !== undefined) {
    throw new ResultError(task.name, problem);
  }
  task.result = value;
}

/** Keeps what a plain function returned, if it can be kept: its author may never have thought of it. */
export function keepReturned(task: Task, value: unknown): void {
  if (value !== undefined && problemOfResult(value) === undefined) {
    task.result = value;
  }
}

function problemOfResult(value: unknown): string | undefined {
  if (typeof value !== 'object' && typeof value !== 'string') {
    return problemAt('result', value);
  }
  try {
    const problem = problemAt('result', value, MAX_RESULT_BYTES);
    if (problem !== undefined) {
      return problem;
    }
    const bytes = Buffer.byteLength(JSON.stringify(value));
    return bytes > MAX_RESULT_BYTES
      ? `result takes ${bytes} bytes, and ${MAX_RESULT_BYTES} are allowed`
      : undefined;
  } catch (error) {
    return `result cannot be read: ${String(error)}`;
  }
}
