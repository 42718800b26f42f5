import { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../../task/clock.js';

/**
 * A clock whose timers belong to no request: made in the context of whoever happens to add a task,
 * they would keep that request's AsyncLocalStorage stores alive for as long as others wait.
 */
export function outsideRequests(clock: Clock): Clock {
  const outside = new AsyncResource('BackgroundTasksEngine', { requireManualDestroy: true });
  return {
    now: () => clock.now(),
    after: (delayMs, callback) => outside.runInAsyncScope(() => clock.after(delayMs, callback)),
    soon: (callback) => outside.runInAsyncScope(() => clock.soon(callback)),
  };
}
