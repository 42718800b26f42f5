import { errorText, type ErrorText } from '../../../errors/error-text.js';

/**
 * What a processor throws at BullMQ. Never the user's own error: BullMQ reads meaning from names and
 * messages, and a task may throw anything.
 */
export class TaskFailed extends Error {
  constructor(error: unknown) {
    super(textOf(error));
    const { message: _message, stack, ...rest } = errorText(error);
    this.stack = storable(`${stack ?? this.message}\n${JSON.stringify(rest)}`);
  }
}

/** What {@link TaskFailed} has left with a job: BullMQ keeps the message, and the stack of each attempt. */
export function errorIn(message: string, stacks: readonly string[] | null | undefined): ErrorText {
  const written = stacks?.at(-1) ?? '';
  const end = written.lastIndexOf('\n');
  try {
    const rest = JSON.parse(written.slice(end + 1)) as Omit<ErrorText, 'message' | 'stack'>;
    return { ...rest, message: errorText({ message }).message, stack: written.slice(0, end) };
  } catch {
    return errorText(new Error(message)); // BullMQ's own, of a job that stalled for example
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

/** PostgreSQL takes no NUL in a text, nor half a surrogate pair. */
const UNSTORABLE = /\p{Surrogate}|\0/u;

export function isStorable(text: string): boolean {
  return !UNSTORABLE.test(text);
}

export function storable(text: string): string {
  return isStorable(text) ? text : text.replaceAll(new RegExp(UNSTORABLE, 'gu'), '\uFFFD');
}
