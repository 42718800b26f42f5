import { inspect } from 'node:util';
import { printable, printableStack } from './printable.js';

/** What every line about a task has. */
export interface TaskLogFields {
  readonly event: string;
  readonly taskId: string;
  readonly taskName: string;
  readonly queue: string;
  /** 1 for the first attempt, 0 before it. */
  readonly attempt: number;
  readonly durationMs?: number | undefined;
  readonly delayMs?: number | undefined;
  readonly reason?: string | undefined;
}

/**
 * One line of the log: fields for a logger that writes JSON, a sentence for one that writes text.
 *
 * Nest's console logger prints objects by `inspect()` or as JSON; pino-like loggers copy the own
 * fields into their record, where `msg` and `err` mean what they mean here.
 */
export class TaskLogLine implements TaskLogFields {
  readonly event: string;
  readonly taskId: string;
  readonly taskName: string;
  readonly queue: string;
  readonly attempt: number;
  readonly durationMs: number | undefined;
  readonly delayMs: number | undefined;
  readonly reason: string | undefined;
  /** The sentence. */
  readonly msg: string;
  /** What was thrown, where it is an error. */
  readonly err: Error | undefined;

  constructor(fields: TaskLogFields, sentence: string, error?: unknown) {
    this.event = fields.event;
    this.taskId = fields.taskId;
    this.taskName = fields.taskName;
    this.queue = fields.queue;
    this.attempt = fields.attempt;
    this.durationMs = fields.durationMs;
    this.delayMs = fields.delayMs;
    this.reason = fields.reason;
    this.msg = printable(sentence);
    this.err = isError(error) ? error : undefined;
  }

  toJSON(): object {
    const { err, ...fields } = this;
    return err === undefined ? fields : { ...fields, stack: stackOf(err) };
  }

  toString(): string {
    const stack = this.err && stackOf(this.err);
    return stack === undefined ? this.msg : `${this.msg}\n${printableStack(stack)}`;
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/** How many causes of an error are named; a chain may have no end. */
const MAX_CAUSES = 3;

/** Any value can be thrown, and looking at it must not throw in turn. */
export function summaryOf(error: unknown): string {
  try {
    return `${titleOf(error)}${isError(error) ? causesOf(error) : ''}`;
  } catch {
    return 'a value that cannot be shown';
  }
}

function titleOf(error: unknown): string {
  if (!isError(error)) {
    return String(error);
  }
  const { name, message, code }: Error & { readonly code?: unknown } = error;
  // What failed to connect to several addresses has a code and no message.
  return `${name}: ${message === '' && typeof code === 'string' ? code : message}`;
}

/** A stack has none of them, and `fetch failed` is all that `fetch()` says by itself. */
function causesOf(error: Error): string {
  let text = '';
  try {
    let { cause } = error;
    for (let count = 0; count < MAX_CAUSES && cause !== undefined && cause !== null; count += 1) {
      text += ` (cause: ${titleOf(cause)})`;
      cause = (cause as { cause?: unknown }).cause;
    }
  } catch {
    // What was found is shown.
  }
  return text;
}

/** The stack of whatever was thrown, if it has one. */
export function stackOf(error: unknown): string | undefined {
  try {
    const stack = (error as { stack?: unknown } | null | undefined)?.stack;
    return typeof stack === 'string' ? stack : undefined;
  } catch {
    return undefined;
  }
}

function isError(value: unknown): value is Error {
  try {
    return value instanceof Error;
  } catch {
    return false;
  }
}
