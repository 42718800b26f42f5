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

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => timeOrigin + performance.now(),
  after(delayMs, callback) {
    let timer: NodeJS.Timeout;
    const wait = (restMs: number): void => {
      const legMs = Math.min(restMs, LONGEST_TIMER_MS);
      timer = setTimeout(() => (restMs > legMs ? wait(restMs - legMs) : callback()), legMs);
    };
    wait(delayMs);
    return () => clearTimeout(timer);
  },
  soon: (callback) => void setImmediate(callback),
  wall: () => Date.now(),
  at(timeMs, callback) {
    let timer: NodeJS.Timeout;
    const look = (): void => {
      const restMs = timeMs - Date.now();
      if (restMs <= 0) {
        callback();
      } else {
        timer = setTimeout(look, Math.min(restMs, WALL_CHECK_MS));
      }
    };
    timer = setTimeout(look, 0);
    return () => clearTimeout(timer);
  },
};

/** A time as `Date.now()` tells it, and as users are told. */
export function wholeMs(timeMs: number): number {
  return Math.floor(timeMs);
}

/** Injection token of the {@link Clock}. */
export const CLOCK = Symbol('nestjs-background-tasks:clock');
