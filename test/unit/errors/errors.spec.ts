import { describe, expect, it } from '@jest/globals';
import * as library from '../../../lib/index.js';

const { BackgroundTasksError } = library;
type ErrorClass = new (...args: unknown[]) => InstanceType<typeof BackgroundTasksError>;

/** Every public error, with arguments to make one. */
const MAKERS: Record<string, (type: ErrorClass) => Error> = {
  AmbiguousTaskError: (type) => new type('A.run', ['A.run', 'B.run']),
  BackgroundMethodError: (type) => new type('A.run', 'it stands on a property.'),
  DuplicateModuleError: (type) => new type(2),
  DuplicateTaskNameError: (type) => new type('run', 'A.run', 'B.run'),
  InvalidOptionError: (type) => new type('delay', 'expected a duration.'),
  JournalError: (type) => new type('/var/tasks', 'is in use by another process.'),
  MissingPeerError: (type) => new type('journal', ['lmdb']),
  NoRequestError: (type) => new type(),
  NotAFunctionError: (type) => new type('undefined'),
  NotStorableError: (type) => new type('run', 'mails', 'args[0] is a Date.'),
  QueueFullError: (type) => new type('mails', 5),
  RetryLaterError: (type) => new type('5s'),
  ShutDownError: (type) => new type('run'),
  StoreUnavailableError: (type) => new type('Redis at localhost:6379'),
  TaskAbandonedError: (type) => new type('run'),
  TaskCancelledError: (type) => new type('run'),
  TaskCrashedError: (type) => new type('run', 3),
  TaskTimeoutError: (type) => new type('run', 5),
  TransactionError: (type) => new type('run', 'mails', 'there is no open transaction.'),
  UnknownOptionError: (type) => new type('retry.atempts', ['attempts'], 'attempts'),
  UnknownQueueError: (type) => new type('mials', ['mails'], 'mails'),
  UnknownTaskError: (type) => new type('A.run'),
  UnrecoverableError: (type) => new type(),
  UnsupportedOptionError: (type) => new type('Task "run"', 'batch', 'mails', 'BullMQ on Redis'),
};

/** Codes are for programs to switch on: none of them ever changes. */
const CODES: Record<string, string> = {
  AmbiguousTaskError: 'BGT_AMBIGUOUS_TASK',
  BackgroundMethodError: 'BGT_BACKGROUND_METHOD',
  DuplicateModuleError: 'BGT_DUPLICATE_MODULE',
  DuplicateTaskNameError: 'BGT_DUPLICATE_TASK_NAME',
  InvalidOptionError: 'BGT_INVALID_OPTION',
  JournalError: 'BGT_JOURNAL',
  MissingPeerError: 'BGT_MISSING_PEER',
  NoRequestError: 'BGT_NO_REQUEST',
  NotAFunctionError: 'BGT_NOT_A_FUNCTION',
  NotStorableError: 'BGT_NOT_STORABLE',
  QueueFullError: 'BGT_QUEUE_FULL',
  RetryLaterError: 'BGT_RETRY_LATER',
  ShutDownError: 'BGT_SHUT_DOWN',
  StoreUnavailableError: 'BGT_STORE_UNAVAILABLE',
  TaskAbandonedError: 'BGT_ABANDONED',
  TaskCancelledError: 'BGT_CANCELLED',
  TaskCrashedError: 'BGT_TASK_CRASHED',
  TaskTimeoutError: 'BGT_TIMEOUT',
  TransactionError: 'BGT_TRANSACTION',
  UnknownOptionError: 'BGT_UNKNOWN_OPTION',
  UnknownQueueError: 'BGT_UNKNOWN_QUEUE',
  UnknownTaskError: 'BGT_UNKNOWN_TASK',
  UnrecoverableError: 'BGT_UNRECOVERABLE',
  UnsupportedOptionError: 'BGT_UNSUPPORTED_OPTION',
};

const isError = (value: unknown): boolean =>
  typeof value === 'function' && value.prototype instanceof BackgroundTasksError;

const names = Object.keys(MAKERS);
const make = (name: string): InstanceType<typeof BackgroundTasksError> =>
  MAKERS[name]?.((library as unknown as Record<string, ErrorClass>)[name]) as never;

describe('the public errors', () => {
  it.each(names)('%s is a BackgroundTasksError with its own name, code and message', (name) => {
    const error = make(name);
    expect(error).toBeInstanceOf(BackgroundTasksError);
    expect(error).toBeInstanceOf(Error);
    expect({ name: error.name, code: error.code }).toEqual({ name, code: CODES[name] });
    expect(error.message.length).toBeGreaterThan(20);
    expect(error.stack).toContain(error.message);
  });

  it('are all of them here', () => {
    const exported = Object.entries(library).filter(([, value]) => isError(value));
    expect(names.toSorted()).toEqual(exported.map(([name]) => name).toSorted());
  });

  it('have codes that differ', () => {
    expect(new Set(names.map((name) => make(name).code)).size).toBe(names.length);
  });

  it('are subclassed under the subclass’s name', () => {
    class NoSuchUserError extends library.UnrecoverableError {}
    expect(new NoSuchUserError()).toMatchObject({
      name: 'NoSuchUserError',
      code: 'BGT_UNRECOVERABLE',
    });
  });

  it('name a missing peer in one line, without the place where it was missed', () => {
    expect(make('MissingPeerError').stack).toBe(
      'MissingPeerError: journal needs lmdb: npm install lmdb',
    );
  });

  it('say what to do', () => {
    expect(make('NoRequestError').message).toBe(
      'BackgroundTasks collects the tasks of a request, and no request is being handled here. ' +
        'Outside a request (cron jobs, scripts, consumers) inject TaskRunner and call its addTask().',
    );
    expect(make('DuplicateModuleError').message).toBe(
      'BackgroundTasksModule is registered 2 times in this application. It is global: call ' +
        'forRoot() or forRootAsync() once, in the root module, and inject its providers anywhere.',
    );
  });
});
