import { errorText, type ErrorText } from '../../errors/error-text.js';
import { JournalError } from '../../errors/storage.errors.js';
import { wholeMs } from '../../task/clock.js';
import { cursorOf, type Position } from '../../task/position.js';
import type { StoredCall, StoredTask } from '../../task/stored-call.js';
import type { TaskInfo } from '../../task/task-info.js';
import type { Priority } from '../../task/task-options.js';
import type { Task } from '../../task/task.js';
import { checked, Field } from './fields.js';

/** What this version of the library writes, and the highest that it reads. */
const VERSION = 1;

/** A task that has failed for good, as the journal keeps it. */
export interface DeadLetter extends StoredCall {
  readonly version: number;
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly priority: Priority;
  readonly attempts: number;
  readonly maxAttempts: number;
  /** Milliseconds since the epoch, as the other times. */
  readonly addedAt: number;
  readonly startedAt?: number | undefined;
  readonly failedAt: number;
  readonly durationMs: number;
  readonly error: ErrorText;
  /** The tasks behind it in its chain, in order: they were dropped because it failed. */
  readonly rest: RestOfChain[];
  /** It stands for one that cannot be read here, and is never called. */
  readonly isUnreadable?: true;
}

/** A task of a chain that was dropped. */
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
  // As its cursor has it: many may fail within a millisecond.
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

/** @throws Error that says what is wrong with it */
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

/** What is shown in the place of one that cannot be read. */
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

/** It, and what comes back with it. */
export function storedTasksOf(letter: DeadLetter): readonly StoredTask[] {
  return [letter, ...letter.rest].map((call) => {
    const { id, name, queue, addedAt } = call;
    return { id, name, queue, call, addedAt, attempts: 0 };
  });
}

export function placeOf({ failedAt, id }: DeadLetter): Position {
  return { at: failedAt, id };
}

/** @param readArgs throws where they cannot be read here */
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
    return []; // by another serializer, for example
  }
}
