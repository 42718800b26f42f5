import type { Duration } from '../index.js';

/**
 * What becomes of the tasks of a test.
 *
 * - `'inline'`: each task runs when it is released. Delays, retries and rate limits take no time,
 *   and an error of a task reaches the test
 * - `'manual'`: no task runs until the test says so, and the kit's clock is the time
 * - `'fake'`: no task ever runs
 */
export type TestingMode = 'inline' | 'manual' | 'fake';

/** What `BackgroundTasksTesting` takes. */
export interface TestingOptions {
  /** What becomes of the tasks. */
  mode: TestingMode;
  /**
   * How long the kit waits, in real time, before it throws an error that lists the tasks that are
   * stuck. Keep it shorter than the timeout of the test runner.
   * @default '4s'
   */
  patience?: Duration | undefined;
  /**
   * Queues that have a durable engine in production and none in the application under test; `true`
   * for all. Arguments of their tasks are turned into JSON and back: a Date arrives as a string. A
   * queue that has a durable engine in the test, too, need not be named: no store is opened, and
   * calls that the engine could not store are refused.
   * @default []
   */
  durableQueues?: readonly string[] | true | undefined;
}
