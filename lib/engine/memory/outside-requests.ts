import { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../../task/clock.js';

/**
 * An async context that belongs to no request. A timer created in the context of whoever adds or
 * cancels a task would keep that request's AsyncLocalStorage stores alive as long as others wait,
 * and show them to unrelated tasks. Created at module load, because an application may be made
 * within a context, such as a tracer's span.
 */
const outside = new AsyncResource('BackgroundTasksEngine', { requireManualDestroy: true });

export function outsideRequests<T>(callback: () => T): T {
  return outside.runInAsyncScope(callback);
}

/** A clock whose timers fire outside of requests. */
export function clockOutside(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    after: (delayMs, callback) => outsideRequests(() => clock.after(delayMs, callback)),
    soon: (callback) => outsideRequests(() => clock.soon(callback)),
    wall: () => clock.wall(),
    at: (timeMs, callback) => outsideRequests(() => clock.at(timeMs, callback)),
  };
}
