/** The latest lines of a task are kept, up to this many. */
export const MAX_LINES = 100;
/** Longer lines are cut. */
const MAX_LENGTH = 1_000;

/** The latest lines written with `currentTask().log()`, each cut to a bounded length. */
export class LogLines {
  private readonly lines: string[] = [];

  /** @returns the kept line: cut, and prefixed with its time */
  add(message: string, at: number): string {
    const text = message.length > MAX_LENGTH ? `${message.slice(0, MAX_LENGTH)}…` : message;
    const line = `${new Date(at).toISOString()} ${text}`;
    if (this.lines.push(line) > MAX_LINES) {
      this.lines.shift();
    }
    return line;
  }

  /** Oldest first. */
  get all(): readonly string[] {
    return [...this.lines];
  }
}

/** `2026-11-21T15:37:09.266Z` */
const TIME_LENGTH = 24;

/** Compares lines by time; a stable sort keeps the order of equal ones. */
export function byTime(one: string, other: string): number {
  return one.slice(0, TIME_LENGTH).localeCompare(other.slice(0, TIME_LENGTH));
}
