import type { Duration } from '../index.js';

/**
 * How the tasks of a test run.
 *
 * - `'inline'`: each task runs when it is released. Delays, retries and rate limits take no time,
 *   and an error of a task reaches the test
 * - `'manual'`: no task runs until the test says so, and time is that of the kit's clock
 * - `'fake'`: no task ever runs
 */
export type TestingMode = 'inline' | 'manual' | 'fake';

/** The options of `BackgroundTasksTesting`. */
export interface TestingOptions {
  /** How tasks run. */
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
   * queue whose durable engine is configured in the test, too, need not be named. Its store is not
   * opened, and calls that the engine could not store are refused.
   * @default []
   */
  durableQueues?: readonly string[] | true | undefined;
}
