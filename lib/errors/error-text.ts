import { printable } from './printable.js';

/** All that is shown of a thrown value. Its other properties may hold a request, with its token. */
export interface ErrorText {
  readonly name?: string;
  readonly message: string;
  readonly code?: string | number;
  readonly causes?: readonly string[];
  /** The name and message, and below them a line for each frame. */
  readonly stack?: string;
}

const MAX_CAUSES = 5;
const MAX_FRAMES = 50;
const MAX_FRAMES_LENGTH = 8_000;
const MAX_FRAME_LENGTH = 300;
const MAX_NAME_LENGTH = 100;
const MAX_CAUSE_LENGTH = 500;

/** Any value can be thrown. Reading it must neither throw nor take long. */
export function errorText(thrown: unknown): ErrorText {
  const text = textOf(thrown);
  const causes = causesOf(thrown).map((cause) => titleOf(textOf(cause, MAX_CAUSE_LENGTH)));
  const stack = read(thrown, 'stack');
  const frames = typeof stack === 'string' ? framesOf(stack, read(thrown, 'message')) : [];
  return {
    ...text,
    ...(causes.length > 0 && { causes }),
    ...(frames.length > 0 && { stack: [titleOf(text), ...frames].join('\n') }),
  };
}

/** One line: the error, and the causes, which its stack does not have. */
export function summaryOf(text: ErrorText): string {
  const causes = text.causes?.map((cause) => ` (cause: ${cause})`) ?? [];
  return `${titleOf(text)}${causes.join('')}`;
}

/** The error of a connection that failed at several addresses has a code and no message. */
function titleOf({ name, message, code }: ErrorText): string {
  const said = message === '' && code !== undefined ? String(code) : message;
  return name === undefined ? said : `${name}: ${said}`;
}

function textOf(thrown: unknown, maxLength?: number): ErrorText {
  const message = read(thrown, 'message');
  if (typeof message !== 'string') {
    return { message: printable(textOfValue(thrown), maxLength) };
  }
  const name = read(thrown, 'name');
  const code = read(thrown, 'code');
  return {
    name: typeof name === 'string' ? printable(name, MAX_NAME_LENGTH) : 'Error',
    message: printable(message, maxLength),
    ...(typeof code === 'number' && { code }),
    ...(typeof code === 'string' && { code: printable(code, MAX_NAME_LENGTH) }),
  };
}

/** Shows the type of an object only: its content is as private as that of an error. */
function textOfValue(value: unknown): string {
  try {
    switch (typeof value) {
      case 'object':
        return value === null ? 'null' : Object.prototype.toString.call(value);
      case 'function':
        return 'a function';
      default:
        return String(value);
    }
  } catch {
    return 'a value that cannot be shown';
  }
}

/** The causes of an error, and the errors in an AggregateError: a few, each of them once. */
function causesOf(thrown: unknown): readonly unknown[] {
  const found = new Set<unknown>([thrown]);
  for (const error of found) {
    const errors = read(error, 'errors');
    for (const cause of [read(error, 'cause'), ...firstOf(errors)]) {
      if (cause !== undefined && cause !== null && found.size <= MAX_CAUSES) {
        found.add(cause);
      }
    }
  }
  found.delete(thrown);
  return [...found];
}

function firstOf(errors: unknown): readonly unknown[] {
  try {
    return Array.isArray(errors) ? errors.slice(0, MAX_CAUSES) : [];
  } catch {
    return [];
  }
}

/** The frames begin after the message, which may have lines that look like frames. */
function framesOf(stack: string, message: unknown): readonly string[] {
  const start = typeof message === 'string' ? endOfMessage(stack, message) : -1;
  const isKnown = start >= 0;
  const text = isKnown
    ? stack.slice(start, start + MAX_FRAMES_LENGTH)
    : stack.slice(-MAX_FRAMES_LENGTH);
  const lines = text.split('\n', MAX_FRAMES_LENGTH).map((line) => line.trim());
  // The message was changed after the stack was made. The last line that is no frame belongs to it.
  const first = isKnown ? 0 : lines.findLastIndex((line) => line !== '' && !isFrame(line)) + 1;
  return lines
    .slice(first)
    .filter(isFrame)
    .slice(0, MAX_FRAMES)
    .map((line) => `    ${printable(line, MAX_FRAME_LENGTH)}`);
}

function isFrame(line: string): boolean {
  return line.startsWith('at ');
}

/** A stack begins with the name, whatever that is, and the message. @returns -1 if this one does not */
function endOfMessage(stack: string, message: string): number {
  const head = stack.slice(0, 2 * MAX_NAME_LENGTH);
  if (message === '') {
    return head.indexOf('\n');
  }
  const at = head.indexOf(message.slice(0, MAX_NAME_LENGTH));
  const end = at + message.length;
  return at >= 0 && (stack.length === end || stack.charAt(end) === '\n') ? end : -1;
}

/** `instanceof` throws for a revoked Proxy; this does not. */
export function isA<T>(type: new (...args: never[]) => T, thrown: unknown): thrown is T {
  try {
    return thrown instanceof type;
  } catch {
    return false;
  }
}

function read(value: unknown, key: string): unknown {
  try {
    return (value as Record<string, unknown> | null | undefined)?.[key];
  } catch {
    return undefined;
  }
}
