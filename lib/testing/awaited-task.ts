import type { Task } from '../task/task.js';

/**
 * What the call of a `@Background()` method outside a request returns in mode `'inline'`. If the
 * caller awaits it, the error of the task reaches the caller.
 */
export class AwaitedTask implements PromiseLike<void> {
  constructor(
    private readonly task: Task,
    private readonly onListener: () => void,
  ) {}

  // oxlint-disable-next-line unicorn/no-thenable -- whether anybody waits is what it has to tell
  then<A = void, B = never>(
    onRun?: ((value: void) => A | PromiseLike<A>) | null,
    onFailed?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.onListener();
    return this.settle().then(onRun, onFailed);
  }

  private async settle(): Promise<void> {
    const outcome = await this.task.whenSettled();
    if (outcome.status === 'failed') {
      throw outcome.error;
    }
  }
}
