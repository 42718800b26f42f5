import { LONGEST_TIMER_MS } from './duration.js';

/** The library's only source of time: injected everywhere, so that a test kit can control it. */
export interface Clock {
  /** Milliseconds since the epoch, with fractions; never goes back. */
  now(): number;
  /** Calls `callback` once, `delayMs` from now. @returns a function that cancels it */
  after(delayMs: number, callback: () => void): () => void;
  /** Calls `callback` in the next turn of the event loop, after pending I/O. */
  soon(callback: () => void): void;
  /** The wall clock: milliseconds since the epoch. It can be set, and so go back. */
  wall(): number;
  /**
   * Calls `callback` once {@link wall} reaches `timeMs`, or is set back.
   *
   * @returns a function that cancels it
   */
  at(timeMs: number, callback: () => void): () => void;
}

/** How soon, at the latest, a changed wall clock or a machine's wake-up is noticed. */
const WALL_CHECK_MS = 30_000;
/** A wall clock that is set back by less is waited for, so that nothing is done twice. */
const SET_BACK_MS = 90_000;

const { timeOrigin } = performance;

/** The platform's timers. */
export interface Timers {
  readonly now: () => number;
  readonly setTimeout: (callback: () => void, delayMs: number) => NodeJS.Timeout;
  readonly clearTimeout: (timer: NodeJS.Timeout) => void;
  readonly setImmediate: (callback: () => void) => unknown;
}

/** A clock on top of these timers. */
export function clockOf(timers: Timers): Clock {
  return {
    now: () => timeOrigin + timers.now(),
    after(delayMs, callback) {
      let timer: NodeJS.Timeout;
      const wait = (restMs: number): void => {
        const legMs = Math.min(restMs, LONGEST_TIMER_MS);
        timer = timers.setTimeout(
          () => (restMs > legMs ? wait(restMs - legMs) : callback()),
          legMs,
        );
      };
      wait(delayMs);
      return () => timers.clearTimeout(timer);
    },
    soon: (callback) => void timers.setImmediate(callback),
    wall: () => Date.now(),
    at(timeMs, callback) {
      let timer: NodeJS.Timeout;
      const since = Date.now();
      const look = (): void => {
        const now = Date.now();
        const restMs = timeMs - now;
        if (restMs <= 0 || since - now >= SET_BACK_MS) {
          callback();
        } else {
          timer = timers.setTimeout(look, Math.min(restMs, WALL_CHECK_MS));
        }
      };
      timer = timers.setTimeout(look, 0);
      return () => timers.clearTimeout(timer);
    },
  };
}

/** The real clock. The globals are looked up on each call, so that a test's fake timers apply. */
export const systemClock: Clock = clockOf({
  now: () => performance.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (timer) => clearTimeout(timer),
  setImmediate: (callback) => setImmediate(callback),
});

/** A time as users see it, in whole milliseconds like `Date.now()`. */
export function wholeMs(timeMs: number): number {
  return Math.floor(timeMs);
}

/** Injection token of the {@link Clock}. */
export const CLOCK = Symbol('nestjs-background-tasks:clock');
