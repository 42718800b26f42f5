/**
 * What a processor throws at BullMQ. Never the user's own error: BullMQ reads meaning from names and
 * messages, and a task may throw anything.
 */
export class TaskFailed extends Error {
  constructor(error: unknown) {
    super(textOf(error));
    this.stack = stackOf(error) ?? this.message;
  }
}

/** The attempt failed, and another follows. */
export class TaskRetries extends TaskFailed {
  constructor(
    error: unknown,
    readonly delayMs: number,
  ) {
    super(error);
  }
}

/** The job has been moved back already: BullMQ is to leave it alone. It knows them by name. */
export class PutBack extends Error {
  constructor(override readonly name: 'WaitingError' | 'DelayedError') {
    super('The task was put back.');
  }
}

/** Looking at an error may throw. */
function textOf(error: unknown): string {
  try {
    const text = error instanceof Error ? error.message || error.name : String(error);
    return storable(text);
  } catch {
    return 'a value that cannot be shown';
  }
}

function stackOf(error: unknown): string | undefined {
  try {
    const stack = (error as { stack?: unknown } | null | undefined)?.stack;
    return typeof stack === 'string' ? storable(stack) : undefined;
  } catch {
    return undefined;
  }
}

/** PostgreSQL takes no NUL in a text, nor half a surrogate pair. */
const UNSTORABLE = /\p{Surrogate}|\0/u;

export function isStorable(text: string): boolean {
  return !UNSTORABLE.test(text);
}

export function storable(text: string): string {
  return isStorable(text) ? text : text.replaceAll(new RegExp(UNSTORABLE, 'gu'), '\uFFFD');
}
