import type { DropReason, Outcome } from '../../../task/outcome.js';
import type { Task } from '../../../task/task.js';
import type { Dropped, Verdict } from '../../../task/verdict.js';
import { errorText, type ErrorText } from '../../../errors/error-text.js';

/** A verdict that settles a task: a retry or an abandoned attempt leaves it in the store. */
export type End = Exclude<Verdict, { kind: 'retry' | 'abandoned' }> | Dropped;

/** A task's final verdict as the store keeps it: in the job's data, or as its return value. */
export interface StoredEnd {
  readonly status: Exclude<Outcome['status'], 'abandoned'>;
  readonly attempts: number;
  readonly durationMs: number;
  readonly error?: string;
  /** JSON as text: PostgreSQL's JSON type refuses some characters that a result may hold. */
  readonly result?: string;
  readonly reason?: DropReason;
}

/** The worker that takes a job with this end settles it without an attempt. */
export const DUPLICATE: StoredEnd = {
  status: 'dropped',
  attempts: 0,
  durationMs: 0,
  reason: 'duplicate',
};

/** @param written a {@link StoredEnd}, as BullMQ returns it: a value in a job, text in an event */
export function endIn(written: unknown): StoredEnd | undefined {
  const end: unknown =
    typeof written === 'string' && written !== '' ? JSON.parse(written) : written;
  return typeof end === 'object' && end !== null && 'status' in end
    ? (end as StoredEnd)
    : undefined;
}

export function endOf({ attempts, startedAt, result }: Task, verdict: End, now: number): StoredEnd {
  // Rounded to microseconds: more digits only lengthen the record.
  const durationMs = startedAt === undefined ? 0 : Math.round((now - startedAt) * 1_000) / 1_000;
  const end = { status: verdict.kind, attempts, durationMs };
  switch (verdict.kind) {
    case 'failed':
      return { ...end, error: new TaskFailed(verdict.error).message };
    case 'dropped':
      return { ...end, reason: verdict.reason };
    case 'completed':
      return result === undefined ? end : { ...end, result: JSON.stringify(result) };
    case 'cancelled':
      return end;
  }
}

export function failedEnd(error: string, attempts: number): StoredEnd {
  return { status: 'failed', attempts, durationMs: 0, error };
}

export function verdictOf({ status, error, reason }: StoredEnd): End {
  switch (status) {
    case 'failed':
      return { kind: 'failed', error: new Error(error) };
    case 'dropped':
      return { kind: 'dropped', reason: reason ?? 'predecessor-failed' };
    default:
      return { kind: status };
  }
}

export function outcomeOf(end: StoredEnd): Outcome {
  const { status, attempts, durationMs } = end;
  switch (status) {
    case 'completed':
      return {
        status,
        attempts,
        durationMs,
        ...(end.result !== undefined && { result: JSON.parse(end.result) as unknown }),
      };
    case 'failed':
      return { status, attempts, durationMs, error: new Error(end.error) };
    case 'cancelled':
      return { status, attempts };
    case 'dropped':
      return { status, reason: end.reason ?? 'predecessor-failed' };
  }
}

/**
 * What a processor throws when its task failed. BullMQ never gets the user's own error: it reads meaning
 * from names and messages, and a task may throw anything.
 */
export class TaskFailed extends Error {
  constructor(error: unknown) {
    super(textOf(error));
    const { message: _message, stack, ...rest } = errorText(error);
    this.stack = storable(`${stack ?? this.message}\n${JSON.stringify(rest)}`);
  }
}

/** Reads a {@link TaskFailed} back: BullMQ keeps its message, and the stack of each attempt. */
export function errorIn(message: string, stacks: readonly string[] | null | undefined): ErrorText {
  const written = stacks?.at(-1) ?? '';
  const end = written.lastIndexOf('\n');
  try {
    const rest = JSON.parse(written.slice(end + 1)) as Omit<ErrorText, 'message' | 'stack'>;
    return { ...rest, message: errorText({ message }).message, stack: written.slice(0, end) };
  } catch {
    return errorText(new Error(message)); // an error of BullMQ itself, for a job that stalled for example
  }
}

/** The attempt failed, and another follows. */
export class TaskRetries extends TaskFailed {
  constructor(
    error: unknown,
    readonly delayMs: number,
  ) {
    super(error);
  }
}

/** The job was moved back already, so BullMQ must leave it alone. BullMQ knows this error by its name. */
export class PutBack extends Error {
  constructor(override readonly name: 'WaitingError' | 'DelayedError') {
    super('The task was put back.');
  }
}

/** Reading the message of an error may throw. */
function textOf(error: unknown): string {
  try {
    const text = error instanceof Error ? error.message || error.name : String(error);
    return storable(text);
  } catch {
    return 'a value that cannot be shown';
  }
}

/** PostgreSQL refuses NUL and half a surrogate pair in text. */
const UNSTORABLE = /\p{Surrogate}|\0/u;

export function isStorable(text: string): boolean {
  return !UNSTORABLE.test(text);
}

export function storable(text: string): string {
  return isStorable(text) ? text : text.replaceAll(new RegExp(UNSTORABLE, 'gu'), '\uFFFD');
}
