import type { Duration } from '../index.js';

/**
 * What becomes of the tasks of a test.
 *
 * - `'inline'`: each runs when it would have been released; delays, retries and rate limits wait for
 *   nothing, and an error reaches the test
 * - `'manual'`: none runs until the test says so, and time is the kit's clock
 * - `'fake'`: none ever runs
 */
export type TestingMode = 'inline' | 'manual' | 'fake';

/** What `BackgroundTasksTesting` takes. */
export interface TestingOptions {
  /** What becomes of the tasks. */
  mode: TestingMode;
  /**
   * How long, in real time, anything is waited for before it is called stuck, with a message that
   * lists what is not over. Shorter than the test runner's own limit, which would say nothing.
   * @default '4s'
   */
  patience?: Duration | undefined;
  /**
   * The queues that a durable engine serves in production, where the application under test is not
   * configured with it; `true` for all. Arguments of their tasks make a JSON round trip: a Date
   * arrives as a string. A queue that has such an engine needs no mention: no store is opened, and
   * what the engine would refuse to store is refused.
   * @default []
   */
  durableQueues?: readonly string[] | true | undefined;
}
