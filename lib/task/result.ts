import { errorText, summaryOf } from '../errors/error-text.js';
import { ResultError } from '../errors/result.error.js';
import { problemAt } from './json-value.js';
import type { Task } from './task.js';

/** A task is remembered with its result, many at a time. */
const MAX_RESULT_BYTES = 65_536;

/** Keeps what the body hands over. @throws ResultError where JSON cannot hold it, or it is too long */
export function keepResult(task: Task, value: unknown): void {
  const kept = keptOf(value);
  if ('problem' in kept) {
    throw new ResultError(task.name, kept.problem);
  }
  task.result = kept.value;
}

/** Keeps what a plain function returned, if it can be kept: its author may never have thought of it. */
export function keepReturned(task: Task, value: unknown): void {
  const kept = value === undefined ? undefined : keptOf(value);
  if (kept !== undefined && 'value' in kept) {
    task.result = kept.value;
  }
}

/** A copy: its owner may go on with it, and with what JSON cannot hold, too. */
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
