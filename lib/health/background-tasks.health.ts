import { Inject, Injectable } from '@nestjs/common';
import {
  InvalidOptionError,
  TaskRunner,
  type QueueFigures,
  type TaskStatistics,
} from '../index.js';
import { LONGEST_TIMER_MS, milliseconds } from '../task/duration.js';
import { FailureWindow } from './failure-window.js';
import {
  checkBounds,
  type BackgroundTasksHealth,
  type HealthBounds,
  type QueueBounds,
  type QueueHealth,
} from './health-bounds.js';

const DEFAULTS = { window: '5m', minRuns: 10, timeout: '2s' } satisfies HealthBounds;

type Queues = TaskStatistics['queues'];

/**
 * A health indicator for `@nestjs/terminus` 11 and 12. List it as a provider.
 *
 * ```ts
 * @Get('health') @HealthCheck()
 * check() {
 *   return this.health.check([() => this.tasks.check('tasks', { maxPendingAge: '1m', maxFailureRate: 0.1 })]);
 * }
 * ```
 */
@Injectable()
export class BackgroundTasksHealthIndicator {
  private readonly windows = new Map<string, FailureWindow>();

  /** @internal */
  constructor(@Inject(TaskRunner) private readonly runner: TaskRunner) {}

  /**
   * Checks the stores and the queues. The result is `down` if a store cannot be reached or takes no
   * tasks, or if a queue breaks one of its bounds. It contains the figures of each queue. A problem
   * of a store does not reject the promise.
   *
   * @typeParam Key the key of the result
   * @param key the key of the result
   * @param bounds the bounds of a healthy queue; without them only the stores are checked
   * @throws UnknownOptionError, InvalidOptionError for a wrong bound, or for bounds of a queue that
   * is not configured
   */
  async check<Key extends string>(
    key: Key,
    bounds: HealthBounds = {},
  ): Promise<BackgroundTasksHealth<Key>> {
    checkBounds(bounds);
    const timeoutMs = milliseconds(bounds.timeout ?? DEFAULTS.timeout);
    const { problems, queues } = await this.reach(timeoutMs);
    const health: Record<string, QueueHealth> = {};
    if (queues !== undefined) {
      requireQueues(bounds, Object.keys(queues));
      for (const [name, figures] of Object.entries(queues)) {
        health[name] = this.healthOf(name, figures, bounds, problems);
      }
    }
    const status = problems.length === 0 ? 'up' : 'down';
    const result = { status, ...(status === 'down' && { problems }), queues: health };
    return { [key]: result } as BackgroundTasksHealth<Key>;
  }

  /** Asks for both at once: a store that cannot be reached has no figures either. */
  private async reach(timeoutMs: number): Promise<{ problems: string[]; queues?: Queues }> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new Error(`no answer in ${timeoutMs} ms`);
      timer = setTimeout(() => reject(error), Math.min(timeoutMs, LONGEST_TIMER_MS));
    });
    const [reached, figures] = await Promise.allSettled([
      Promise.race([this.runner.ping(), late]),
      Promise.race([this.runner.stats(), late]),
    ]);
    clearTimeout(timer);
    const failed = [reached, figures].find((each) => each.status === 'rejected');
    const problems =
      failed === undefined ? [] : [`the store takes no tasks: ${reasonOf(failed.reason)}`];
    return figures.status === 'rejected'
      ? { problems }
      : { problems, queues: figures.value.queues };
  }

  private healthOf(
    name: string,
    figures: QueueFigures,
    bounds: HealthBounds,
    problems: string[],
  ): QueueHealth {
    const { pending, running, oldestPendingAgeMs, isPaused } = figures;
    const { maxPendingAge, maxFailureRate }: QueueBounds = { ...bounds, ...bounds.queues?.[name] };
    const windowMs = milliseconds(bounds.window ?? DEFAULTS.window);
    const key = `${windowMs} ${name}`; // another check may look further back
    const window = this.windows.get(key) ?? new FailureWindow();
    this.windows.set(key, window);
    const sample = { at: Date.now(), completed: figures.completed, failed: figures.failed };
    const { runs, failureRate } = window.look(sample, windowMs);
    if (maxPendingAge !== undefined && (oldestPendingAgeMs ?? 0) > milliseconds(maxPendingAge)) {
      const age = Math.round(oldestPendingAgeMs ?? 0);
      problems.push(`queue ${name}: a task has waited for ${age} ms, longer than ${maxPendingAge}`);
    }
    if (
      maxFailureRate !== undefined &&
      runs >= (bounds.minRuns ?? DEFAULTS.minRuns) &&
      failureRate > maxFailureRate
    ) {
      const share = failureRate.toFixed(3);
      problems.push(`queue ${name}: ${share} of ${runs} tasks failed, more than ${maxFailureRate}`);
    }
    return { pending, running, oldestPendingAgeMs, failureRate, isPaused };
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function requireQueues({ queues = {} }: HealthBounds, known: readonly string[]): void {
  for (const name of Object.keys(queues)) {
    if (!known.includes(name)) {
      const problem = `there is no such queue. Known queues: ${known.join(', ')}.`;
      throw new InvalidOptionError(`health.queues.${name}`, problem);
    }
  }
}
