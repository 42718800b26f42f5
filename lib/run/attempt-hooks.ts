import type { Verdict } from '../task/verdict.js';
import type { CurrentTask } from './current-task.js';

/**
 * Called around the body of each attempt, in the async context of the place where the task was
 * added. Call `run` once, synchronously, in the context that the body should have. It returns a
 * promise of the attempt's outcome, which never rejects: `retry` and `failed` have the `error`.
 */
export type AroundAttempt = (task: CurrentTask, run: () => Promise<Verdict>) => unknown;

/** The attempt that hooks are around. */
export interface HookedAttempt {
  readonly current: CurrentTask;
  readonly ended: Promise<Verdict>;
}

/** Those who want to be around every attempt. They cannot change what it comes to. */
export class AttemptHooks {
  private hooks: readonly AroundAttempt[] = [];

  constructor(private readonly onHookError: (error: unknown) => void) {}

  get isEmpty(): boolean {
    return this.hooks.length === 0;
  }

  /** @returns a function that takes it away again */
  add(hook: AroundAttempt): () => void {
    this.hooks = [...this.hooks, hook];
    return () => {
      this.hooks = this.hooks.filter((each) => each !== hook);
    };
  }

  /** Calls `body` inside all hooks, the first one added outermost. @returns what `body` does */
  around(attempt: HookedAttempt, body: () => unknown): unknown {
    let end: (() => unknown) | undefined;
    const runBody = (): void => {
      // Never twice, whatever a hook does.
      end ??= attempted(body);
    };
    const run = this.hooks.reduceRight<() => void>(
      (inner, hook) => () => this.call(hook, attempt, inner),
      runBody,
    );
    run();
    return end?.();
  }

  private call(hook: AroundAttempt, attempt: HookedAttempt, inner: () => void): void {
    let isInside = false;
    try {
      const result: unknown = hook(attempt.current, () => {
        isInside = true;
        inner();
        return attempt.ended;
      });
      if (result instanceof Promise) {
        result.catch(this.onHookError); // an async function passes for one that returns nothing
      }
    } catch (error) {
      this.onHookError(error);
    }
    if (!isInside) {
      inner();
    }
  }
}

/** Calls `body`. @returns a function that returns or throws what it did */
export function attempted(body: () => unknown): () => unknown {
  try {
    const result = body();
    return () => result;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}
