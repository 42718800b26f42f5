/** Time as the library sees it: passed in everywhere, so that a test kit can own it. */
export interface Clock {
  /** Milliseconds since the epoch, with fractions; never goes back. */
  now(): number;
  /** Calls `callback` once, `delayMs` from now. @returns a function that calls it off */
  after(delayMs: number, callback: () => void): () => void;
  /** Calls `callback` in the next turn of the event loop, after pending I/O. */
  soon(callback: () => void): void;
  /** What the clock on the wall shows: milliseconds since the epoch. It may be set, and go back. */
  wall(): number;
  /** Calls `callback` once, when {@link wall} has come to `timeMs`. @returns a function that calls it off */
  at(timeMs: number, callback: () => void): () => void;
}

/** A timer of Node.js holds 31 bits of milliseconds and fires at once beyond: longer waits go in legs. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A clock that is set, and a machine that wakes up, are noticed after this many milliseconds at most. */
const WALL_CHECK_MS = 30_000;

const { timeOrigin } = performance;

/** Where a clock has its timers from. */
export interface Timers {
  readonly now: () => number;
  readonly setTimeout: (callback: () => void, delayMs: number) => NodeJS.Timeout;
  readonly clearTimeout: (timer: NodeJS.Timeout) => void;
  readonly setImmediate: (callback: () => void) => unknown;
}

/** A clock that the machine drives, by these timers. */
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
      const look = (): void => {
        const restMs = timeMs - Date.now();
        if (restMs <= 0) {
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

/** The clock of the machine: looked up with each call, so that a test's fake timers are heeded. */
export const systemClock: Clock = clockOf({
  now: () => performance.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (timer) => clearTimeout(timer),
  setImmediate: (callback) => setImmediate(callback),
});

/** A time as `Date.now()` tells it, and as users are told. */
export function wholeMs(timeMs: number): number {
  return Math.floor(timeMs);
}

/** Injection token of the {@link Clock}. */
export const CLOCK = Symbol('nestjs-background-tasks:clock');
