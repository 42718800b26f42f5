import { RetryLaterError, UnrecoverableError } from '../../task/task.errors.js';
import type { SentError } from './thread-call.js';

/** A cause of a cause of a cause: past this nobody reads on, and a circle must end somewhere. */
const MAX_DEPTH = 8;

/** In the thread: takes apart what was thrown, whatever that is: looking at it may throw. */
export function takeApart(thrown: unknown, depth = 0): SentError {
  try {
    return partsOf(thrown, depth);
  } catch {
    return { kind: 'value', value: 'a value that cannot be shown' };
  }
}

function partsOf(thrown: unknown, depth: number): SentError {
  if (!isError(thrown)) {
    return { kind: 'value', value: isSendable(thrown) ? thrown : String(thrown) };
  }
  const { name, message, stack, cause } = thrown as Record<keyof Error, unknown>;
  const hasCause = cause !== undefined && depth < MAX_DEPTH;
  return {
    kind: 'error',
    name: String(name),
    message: String(message),
    stack: typeof stack === 'string' ? stack : undefined,
    cause: hasCause ? takeApart(cause, depth + 1) : undefined,
    properties: Object.fromEntries(
      Object.keys(thrown).flatMap((key) => (key === 'cause' ? [] : sendableEntry(thrown, key))),
    ),
  };
}

/** A property may be a getter, which may throw. */
function sendableEntry(thrown: object, key: string): [string, unknown][] {
  try {
    const value = (thrown as Record<string, unknown>)[key];
    return isSendable(value) ? [[key, value]] : [];
  } catch {
    return [];
  }
}

/** In the main thread: puts it together again, with the stack of the thread. */
export function putTogether(sent: SentError): unknown {
  if (sent.kind === 'value') {
    return sent.value;
  }
  const { name, message, stack, cause, properties } = sent;
  const options = cause && { cause: putTogether(cause) };
  // The two that the retry policy knows have to be what they were.
  switch (properties['code']) {
    case 'BGT_UNRECOVERABLE':
      return Object.assign(new UnrecoverableError(message, options), { stack });
    case 'BGT_RETRY_LATER':
      return Object.assign(new RetryLaterError(Number(properties['delayMs']), message, options), {
        stack,
      });
  }
  const error = Object.assign(new Error(message, options), properties);
  Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true });
  Object.defineProperty(error, 'stack', { value: stack, configurable: true, writable: true });
  return error;
}

function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';
}

export function isSendable(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
