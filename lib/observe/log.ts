import { inspect } from 'node:util';
import type { LoggerService } from '@nestjs/common';
import { errorText, summaryOf, type ErrorText } from '../errors/error-text.js';
import { printable } from '../errors/printable.js';

/** The fields of a log line besides its message; docs/operating.md has the table. */
export interface LogFields {
  readonly event: string;
  readonly taskId?: string;
  readonly taskName?: string;
  readonly queue?: string;
  /** 1 for the first attempt, 0 before it. */
  readonly attempt?: number;
  readonly durationMs?: number;
  readonly delayMs?: number;
  readonly reason?: string;
  /** How many tasks or requests the line is about. */
  readonly count?: number;
}

/** A thrown value, and whether its stack is logged. */
export interface Thrown {
  readonly error: unknown;
  readonly hasStack: boolean;
}

export type Level = 'error' | 'warn' | 'log' | 'debug';

/**
 * One line of the log, for loggers that write JSON and for loggers that write text.
 *
 * A logger reads it in one of three ways. pino and winston copy its own fields, Nest calls
 * `toJSON()`, and a text logger calls `toString()` or a method of strings.
 */
export class LogLine {
  declare readonly event: string;
  declare readonly message: string;
  declare readonly error?: Omit<ErrorText, 'stack'>;
  declare readonly stack?: string;

  /** @param sentence printable, with a limit on each of its parts */
  constructor(fields: LogFields, sentence: string, thrown?: Thrown) {
    for (const [key, value] of Object.entries(fields)) {
      this.add(key, typeof value === 'string' ? printable(value, 200) : value);
    }
    const { stack, ...error } = thrown === undefined ? { message: '' } : errorText(thrown.error);
    const message = thrown === undefined ? sentence : `${sentence}: ${summaryOf(error)}`;
    this.add('message', message);
    this.add('msg', message); // pino's key for the message
    if (thrown !== undefined) {
      this.add('error', error);
      this.add('stack', thrown.hasStack ? stack : undefined);
    }
  }

  get length(): number {
    return this.toString().length;
  }

  toJSON(): object {
    return Object.fromEntries(Object.entries(this).filter(([key]) => key !== 'msg'));
  }

  toString(): string {
    return this.stack === undefined ? this.message : `${this.message}\n${this.stack}`;
  }

  valueOf(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }

  private add(key: string, value: unknown): void {
    if (value !== undefined) {
      Object.assign(this, { [key]: value });
    }
  }
}

// The methods of strings work on `toString()`: `includes()`, `replace()`, `split()`, …
Object.setPrototypeOf(LogLine.prototype, String.prototype);

/**
 * Everything that this library writes to the log. If a logger throws, the task keeps its slot, and
 * the line goes to stderr.
 */
export class Log implements LoggerService {
  constructor(private readonly logger: LoggerService) {}

  error(line: unknown): void {
    this.write('error', line);
  }

  warn(line: unknown): void {
    this.write('warn', line);
  }

  log(line: unknown): void {
    this.write('log', line);
  }

  debug(line: unknown): void {
    this.write('debug', line);
  }

  private write(level: Level, said: unknown): void {
    const line =
      said instanceof LogLine ? said : new LogLine({ event: 'engine' }, printable(String(said)));
    try {
      this.logger[level]?.(line);
    } catch (error) {
      const why = summaryOf(errorText(error));
      process.stderr.write(
        `[BackgroundTasks] ${level.toUpperCase()} ${line.toString()}\n` +
          `[BackgroundTasks] The logger did not take this line: ${why}\n`,
      );
    }
  }
}
