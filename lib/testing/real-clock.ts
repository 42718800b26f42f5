import { performance } from 'node:perf_hooks';
import { clearTimeout, setImmediate, setTimeout } from 'node:timers';
import { clockOf, type Clock } from '../task/clock.js';

/**
 * Real time, whatever stands in the place of the global timers: the kit waits for what is real, and
 * tests that use fake timers besides must not stop it.
 */
export const realClock: Clock = clockOf({
  now: () => performance.now(),
  setTimeout,
  clearTimeout,
  setImmediate,
});
