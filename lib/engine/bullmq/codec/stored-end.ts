import type { DropReason, Outcome } from '../../../task/outcome.js';
import type { Task } from '../../../task/task.js';
import type { Dropped, Verdict } from '../../../task/verdict.js';
import { TaskFailed } from './job-signals.js';

/** How a task settles here. */
export type End = Exclude<Verdict, { kind: 'retry' | 'abandoned' }> | Dropped;

/** A task's last verdict, written down before anything follows from it. */
export interface StoredEnd {
  readonly status: Exclude<Outcome['status'], 'abandoned'>;
  readonly attempts: number;
  readonly durationMs: number;
  readonly error?: string;
  /** As text: PostgreSQL's JSON refuses some characters that it may hold. */
  readonly result?: string;
  readonly reason?: DropReason;
}

/** Whoever takes a job with this ends it. */
export const DUPLICATE: StoredEnd = {
  status: 'dropped',
  attempts: 0,
  durationMs: 0,
  reason: 'duplicate',
};

/** What BullMQ keeps of it: of a task that completed at once, as most do, only how long it took. */
export type WrittenEnd = StoredEnd | number;

export function writtenEndOf(end: StoredEnd): WrittenEnd {
  const { status, attempts, durationMs, result } = end;
  const isPlain = status === 'completed' && attempts === 1 && result === undefined;
  return isPlain ? durationMs : end;
}

/** @param written what {@link writtenEndOf} gave, as BullMQ gives it back: as text, in an event */
export function endIn(written: unknown): StoredEnd | undefined {
  const end: unknown =
    typeof written === 'string' && written !== '' ? JSON.parse(written) : written;
  if (typeof end === 'number') {
    return { status: 'completed', attempts: 1, durationMs: end };
  }
  return typeof end === 'object' && end !== null && 'status' in end
    ? (end as StoredEnd)
    : undefined;
}

export function endOf({ attempts, startedAt, result }: Task, verdict: End, now: number): StoredEnd {
  // To the microsecond: more digits only make it longer.
  const durationMs = startedAt === undefined ? 0 : Math.round((now - startedAt) * 1_000) / 1_000;
  switch (verdict.kind) {
    case 'failed':
      return {
        status: 'failed',
        attempts,
        durationMs,
        error: new TaskFailed(verdict.error).message,
      };
    case 'dropped':
      return { status: 'dropped', attempts, durationMs, reason: verdict.reason };
    case 'completed':
      return {
        status: 'completed',
        attempts,
        durationMs,
        ...(result !== undefined && { result: JSON.stringify(result) }),
      };
    case 'cancelled':
      return { status: 'cancelled', attempts, durationMs };
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
