import { errorText, summaryOf } from '../errors/error-text.js';
import { ResultError } from '../errors/result.error.js';
import { problemAt } from './json-value.js';
import type { Task } from './task.js';

/** Results are bounded, because many settled tasks are remembered with theirs. */
const MAX_RESULT_BYTES = 65_536;

/** Keeps what the body passed on. @throws ResultError if JSON cannot hold it, or it is too long */
export function keepResult(task: Task, value: unknown): void {
  const kept = keptOf(value);
  if ('problem' in kept) {
    throw new ResultError(task.name, kept.problem);
  }
  task.result = kept.value;
}

/** Keeps what a plain function returned, if possible: it may not have been meant as a result. */
export function keepReturned(task: Task, value: unknown): void {
  const kept = value === undefined ? undefined : keptOf(value);
  if (kept !== undefined && 'value' in kept) {
    task.result = kept.value;
  }
}

/** Copies the value: its owner may change it later. */
function keptOf(value: unknown): { readonly value: unknown } | { readonly problem: string } {
  try {
    const problem = problemAt('result', value, MAX_RESULT_BYTES);
    if (problem !== undefined) {
      return { problem };
    }
    if (typeof value !== 'object' && typeof value !== 'string') {
      return { value };
    }
    const text = JSON.stringify(value);
    const bytes = Buffer.byteLength(text);
    return bytes > MAX_RESULT_BYTES
      ? { problem: `result takes ${bytes} bytes, and ${MAX_RESULT_BYTES} are allowed` }
      : { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { problem: `result cannot be read: ${summaryOf(errorText(error))}` };
  }
}
