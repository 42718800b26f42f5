import { LONGEST_TIMER_MS } from '../../task/duration.js';
import { RetryLaterError, UnrecoverableError } from '../../task/task.errors.js';
import type { SentError } from './thread-call.js';

/** The longest chain of causes that is sent: a circular one must end. */
const MAX_DEPTH = 8;

/** Runs in the thread. Never throws, although reading a thrown value may. */
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

/** The property may be a getter that throws. */
function sendableEntry(thrown: object, key: string): [string, unknown][] {
  try {
    const value = (thrown as Record<string, unknown>)[key];
    return isSendable(value) ? [[key, value]] : [];
  } catch {
    return [];
  }
}

/** Runs in the main thread. The error keeps the stack of the thread. */
export function putTogether(sent: SentError): unknown {
  if (sent.kind === 'value') {
    return sent.value;
  }
  const { name, message, stack, cause, properties } = sent;
  const options = cause && { cause: putTogether(cause) };
  const error = known(properties, message, options) ?? withProperties(message, options, properties);
  Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true });
  Object.defineProperty(error, 'stack', { value: stack, configurable: true, writable: true });
  return error;
}

/** Restores the two error classes that the retry policy recognises. */
function known(
  { code, delayMs, usesAttempt }: Readonly<Record<string, unknown>>,
  message: string,
  options: ErrorOptions | undefined,
): Error | undefined {
  switch (code) {
    case 'BGT_UNRECOVERABLE':
      return new UnrecoverableError(message, options);
    case 'BGT_RETRY_LATER':
      // Any error may carry this code: an invalid delay is ignored, and a valid one is bounded.
      return typeof delayMs === 'number' && delayMs >= 0
        ? new RetryLaterError(Math.min(delayMs, LONGEST_TIMER_MS), message, {
            ...options,
            usesAttempt: usesAttempt !== false,
          })
        : undefined;
    default:
      return undefined;
  }
}

function withProperties(
  message: string,
  options: ErrorOptions | undefined,
  properties: Readonly<Record<string, unknown>>,
): Error {
  const error = new Error(message, options);
  // Defined, not assigned: a property may be named `__proto__`.
  for (const [key, value] of Object.entries(properties)) {
    Object.defineProperty(error, key, {
      value,
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
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
