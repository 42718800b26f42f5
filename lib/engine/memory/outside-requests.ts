import { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../../task/clock.js';

/**
 * An async context that belongs to no request. Made in the context of whoever happens to add or to
 * cancel a task, a timer or the start of another task would keep that request's AsyncLocalStorage
 * stores alive for as long as others wait, and show them to tasks that have nothing to do with it.
 * Made as this module is loaded: an application may be made within a context, a span of its tracer.
 */
const outside = new AsyncResource('BackgroundTasksEngine', { requireManualDestroy: true });

export function outsideRequests<T>(callback: () => T): T {
  return outside.runInAsyncScope(callback);
}

/** A clock whose timers go off outside. */
export function clockOutside(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    after: (delayMs, callback) => outsideRequests(() => clock.after(delayMs, callback)),
    soon: (callback) => outsideRequests(() => clock.soon(callback)),
    wall: () => clock.wall(),
    at: (timeMs, callback) => outsideRequests(() => clock.at(timeMs, callback)),
  };
}
