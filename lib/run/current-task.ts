import { ambient } from '../task/ambient.js';
import { withHidden } from '../task/hidden.js';
import { Attempt } from './attempt.js';

/** The task whose body is running. */
export interface CurrentTask {
  /** Unique, and the same in every attempt: use it as an idempotency key. */
  readonly id: string;
  /** The `name` option, `Class.method` of a `@Background()` method, or the function's name. */
  readonly name: string;
  /** The queue of the task. */
  readonly queue: string;
  /** The number of this attempt, 1 for the first. */
  readonly attempt: number;
  /** How many attempts the retry policy allows, the first included. */
  readonly maxAttempts: number;
  /** Aborts on timeout, cancellation and shutdown. Pass it to every API that accepts a signal. */
  readonly signal: AbortSignal;
  /** Reports how far the task is: a number, or any other value. */
  readonly progress: (value: unknown) => void;
  /**
   * Sets `Outcome.result` and `TaskInfo.result`: a value that JSON can hold, 64 kB at most. The
   * last value of the attempt that completes counts. Throws a ResultError if the value cannot be
   * kept.
   */
  readonly result: (value: unknown) => void;
  /** Writes a line to the log, with the task's name and id, and keeps it: see `TaskInfo.logs`. */
  readonly log: (message: string) => void;
}

/** The task of a body that runs without the module, as in a unit test. */
const DETACHED = { id: '', name: '', queue: '', attempt: 1, maxAttempts: 1 };

/**
 * The task whose body is running. Outside of any task, as in a unit test that calls a
 * `@Background()` method directly, it has an empty id, one attempt, and a signal that never aborts.
 */
export function currentTask(): CurrentTask {
  const here = ambient.getStore();
  return here instanceof Attempt
    ? here.current
    : withHidden(
        { ...DETACHED },
        {
          signal: new AbortController().signal,
          progress: () => undefined,
          result: () => undefined,
          log: () => undefined,
        },
      );
}
