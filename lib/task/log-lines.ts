/** So many lines of a task are kept, the latest of them. */
export const MAX_LINES = 100;
/** Longer lines are cut. */
const MAX_LENGTH = 1_000;

/** What a task's body wrote by `currentTask().log()`: a bounded tail of it, and of each line. */
export class LogLines {
  private readonly lines: string[] = [];

  /** @returns the line as it is kept: cut, and with its time */
  add(message: string, at: number): string {
    const text = message.length > MAX_LENGTH ? `${message.slice(0, MAX_LENGTH)}…` : message;
    const line = `${new Date(at).toISOString()} ${text}`;
    if (this.lines.push(line) > MAX_LINES) {
      this.lines.shift();
    }
    return line;
  }

  /** The oldest first. */
  get all(): readonly string[] {
    return [...this.lines];
  }
}

/** `2026-11-21T15:37:09.266Z` */
const TIME_LENGTH = 24;

/** Sorts lines by their times; those of one time stay as they are. */
export function byTime(one: string, other: string): number {
  return one.slice(0, TIME_LENGTH).localeCompare(other.slice(0, TIME_LENGTH));
}
