import { performance } from 'node:perf_hooks';
import { clearTimeout, setImmediate, setTimeout } from 'node:timers';
import { clockOf, type Clock } from '../task/clock.js';

/** Real time, even if a test replaces the global timers: its fake timers must not stop the kit. */
export const realClock: Clock = clockOf({
  now: () => performance.now(),
  setTimeout,
  clearTimeout,
  setImmediate,
});
