/** So many lines of a task are kept, the latest of them. */
const MAX_LINES = 100;
/** Longer lines are cut. */
const MAX_LENGTH = 1_000;

/** What a task's body wrote by `currentTask().log()`: a bounded tail of it, and of each line. */
export class LogLines {
  private readonly lines: string[] = [];

  add(message: string, at: number): void {
    const text = message.length > MAX_LENGTH ? `${message.slice(0, MAX_LENGTH)}…` : message;
    if (this.lines.push(`${new Date(at).toISOString()} ${text}`) > MAX_LINES) {
      this.lines.shift();
    }
  }

  /** The oldest first. */
  get all(): readonly string[] {
    return [...this.lines];
  }
}
