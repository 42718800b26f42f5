import { errorText, type ErrorText } from '../../errors/error-text.js';
import { JournalError } from '../../errors/storage.errors.js';
import { wholeMs } from '../../task/clock.js';
import { cursorOf, type Position } from '../../task/position.js';
import type { StoredCall, StoredTask } from '../../task/stored-call.js';
import type { TaskInfo } from '../../task/task-info.js';
import type { Priority } from '../../task/task-options.js';
import type { Task } from '../../task/task.js';
import { checked, Field } from './fields.js';

/** The version that this library writes, and the highest that it reads. */
const VERSION = 1;

/** A failed task as the journal keeps it. */
export interface DeadLetter extends StoredCall {
  readonly version: number;
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly priority: Priority;
  readonly attempts: number;
  readonly maxAttempts: number;
  /** Milliseconds since the epoch, like the other times. */
  readonly addedAt: number;
  readonly startedAt?: number | undefined;
  readonly failedAt: number;
  readonly durationMs: number;
  readonly error: ErrorText;
  /** The tasks behind it in its chain, in order. They were dropped because it failed. */
  readonly rest: RestOfChain[];
  /** A placeholder for a letter that cannot be read here. It is never run. */
  readonly isUnreadable?: true;
}

/** A dropped task of a chain. */
export type RestOfChain = StoredCall & Pick<StoredTask, 'id' | 'name' | 'queue' | 'addedAt'>;

export function restOf({ id, name, queue, addedAt, call }: StoredTask): RestOfChain {
  const { args, options, carried, alsoCarried } = call;
  return { id, name, queue, addedAt, args, options, carried, ...(alsoCarried && { alsoCarried }) };
}

export function deadLetterOf(
  task: Task,
  call: StoredCall,
  error: unknown,
  now: number,
): DeadLetter {
  const { id, definition, name, queue, settings, attempts, addedAt, startedAt } = task;
  const { args, options, carried, alsoCarried } = call;
  // Microseconds, as in the cursor: many tasks may fail within one millisecond.
  const failedAt = Math.floor(now * 1_000) / 1_000;
  return {
    version: VERSION,
    id,
    name: definition?.name ?? name,
    queue,
    args,
    options,
    carried,
    ...(alsoCarried && { alsoCarried }),
    priority: settings.priority,
    attempts,
    maxAttempts: settings.retry.attempts,
    addedAt: wholeMs(addedAt),
    startedAt: startedAt && wholeMs(startedAt),
    failedAt,
    durationMs: startedAt === undefined ? 0 : now - startedAt,
    error: errorText(error),
    rest: [],
  };
}

/** @throws Error that says what is wrong with the line */
export function decodeDeadLetter(line: string): DeadLetter {
  const letter = JSON.parse(line) as DeadLetter;
  checkVersion(letter.version);
  checked(letter, {
    id: Field.text,
    name: Field.text,
    queue: Field.text,
    args: Field.text,
    priority: Field.text,
    attempts: Field.count,
    maxAttempts: Field.count,
    addedAt: Field.time,
    failedAt: Field.time,
    durationMs: Field.time,
    error: Field.object,
    rest: Array.isArray,
  });
  for (const each of letter.rest) {
    checked(each, {
      id: Field.text,
      name: Field.text,
      queue: Field.text,
      addedAt: Field.time,
      args: Field.text,
    });
  }
  return letter;
}

function checkVersion(version: unknown): void {
  if (typeof version === 'number' && version > VERSION) {
    throw new Error(
      `a later version of the library wrote it (${version}, and this one knows ${VERSION})`,
    );
  }
}

/** A placeholder for a letter or record that cannot be read. */
export function unreadableLetter(
  path: string,
  queue: string,
  { at, id }: Position,
  cause: unknown,
): DeadLetter {
  const problem = `holds a task (${id}) that cannot be read: ${String(cause)}. It is kept.`;
  return {
    version: VERSION,
    id,
    name: '(unreadable)',
    queue,
    args: '[]',
    options: undefined,
    carried: undefined,
    priority: 'normal',
    attempts: 0,
    maxAttempts: 0,
    addedAt: at,
    failedAt: at,
    durationMs: 0,
    error: errorText(new JournalError(path, problem)),
    rest: [],
    isUnreadable: true,
  };
}

/** The failed task, and the tasks of its chain that come back with it. */
export function storedTasksOf(letter: DeadLetter): readonly StoredTask[] {
  return [letter, ...letter.rest].map((call) => {
    const { id, name, queue, addedAt } = call;
    return { id, name, queue, call, addedAt, attempts: 0 };
  });
}

export function placeOf({ failedAt, id }: DeadLetter): Position {
  return { at: failedAt, id };
}

/** @param readArgs throws if the arguments cannot be read here */
export function infoOf(letter: DeadLetter, readArgs: (text: string) => unknown[]): TaskInfo {
  const { id, name, queue, priority, attempts, maxAttempts, addedAt, startedAt } = letter;
  const { failedAt, durationMs, error } = letter;
  return Object.freeze({
    id,
    name,
    queue,
    status: 'failed',
    priority,
    args: shown(letter, readArgs),
    attempts,
    maxAttempts,
    addedAt,
    startedAt,
    settledAt: wholeMs(failedAt),
    cursor: cursorOf(placeOf(letter)),
    progress: undefined,
    result: undefined,
    logs: [],
    outcome: Object.freeze({ status: 'failed', attempts, durationMs, error }),
  });
}

function shown({ args }: DeadLetter, readArgs: (text: string) => unknown[]): unknown[] {
  try {
    return readArgs(args);
  } catch {
    return []; // written by another serializer, for example
  }
}
