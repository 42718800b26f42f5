import type { Duration } from '../index.js';

/** What a healthy queue keeps to. A bound that is not given is not looked at. */
export interface QueueBounds {
  /** No task waits for a slot longer than this. @default none */
  maxPendingAge?: Duration | undefined;
  /** Of the tasks that ended within `window` at most this share failed for good, from 0 to 1. @default none */
  maxFailureRate?: number | undefined;
}

/** What `BackgroundTasksHealthIndicator.check()` takes. */
export interface HealthBounds extends QueueBounds {
  /** Bounds of single queues, over those of all. @default {} */
  queues?: Record<string, QueueBounds> | undefined;
  /** How far back the failure rate looks. @default '5m' */
  window?: Duration | undefined;
  /** So many tasks must have run within `window` before their failure rate counts. @default 10 */
  minRuns?: number | undefined;
  /** How long an engine may take to answer. @default '2s' */
  timeout?: Duration | undefined;
}

/** How a queue stands. */
export interface QueueHealth {
  /** Added and neither running nor settled. */
  readonly pending: number;
  /** Tasks with an attempt under way. */
  readonly running: number;
  /** How long the longest waiting of those that only wait for a slot has done so, in milliseconds. */
  readonly oldestPendingAgeMs: number | undefined;
  /** From 0 to 1: within the window, or for as long as the application has been watched. */
  readonly failureRate: number;
  /** Whether `TaskRunner.pause()` keeps its tasks from starting. */
  readonly isPaused: boolean;
}

/**
 * A result as Terminus takes it.
 *
 * @typeParam Key what it is called
 */
export type BackgroundTasksHealth<Key extends string = string> = Record<
  Key,
  {
    /** Whether all bounds are kept and the store takes tasks. */
    status: 'up' | 'down';
    /** Why it is down, a sentence for each bound that is broken. */
    problems?: readonly string[] | undefined;
    /** How each queue stands, by its name. */
    queues: Record<string, QueueHealth>;
  }
>;
