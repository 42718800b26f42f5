import type { Verdict } from '../task/verdict.js';
import type { CurrentTask } from './current-task.js';

/**
 * Called around the body of each attempt, in the async context where the task was added. Call `run`
 * once, synchronously, in the context that the body should have. It returns a promise of the
 * attempt's outcome, which never rejects: `retry` and `failed` have the `error`.
 */
export type AroundAttempt = (task: CurrentTask, run: () => Promise<Verdict>) => unknown;

export interface HookedAttempt {
  readonly current: CurrentTask;
  readonly ended: Promise<Verdict>;
}

/** The hooks around every attempt. They cannot change its verdict. */
export class AttemptHooks {
  private hooks: readonly AroundAttempt[] = [];

  constructor(private readonly onHookError: (error: unknown) => void) {}

  get isEmpty(): boolean {
    return this.hooks.length === 0;
  }

  /** @returns a function that removes the hook */
  add(hook: AroundAttempt): () => void {
    this.hooks = [...this.hooks, hook];
    return () => {
      this.hooks = this.hooks.filter((each) => each !== hook);
    };
  }

  /** Calls `body` inside all hooks, the first one outermost. @returns what `body` returns */
  around(attempt: HookedAttempt, body: () => unknown): unknown {
    let end: (() => unknown) | undefined;
    const runBody = (): void => {
      end = attempted(body);
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
        // A hook may call `run` twice; what is inside runs once.
        if (!isInside) {
          isInside = true;
          inner();
        }
        return attempt.ended;
      });
      if (result instanceof Promise) {
        result.catch(this.onHookError); // TypeScript accepts an async function as a hook
      }
    } catch (error) {
      this.onHookError(error);
    }
    if (!isInside) {
      inner();
    }
  }
}

/** Calls `body` now. @returns a function that returns or throws as `body` did */
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
