import type { LoggerService } from '@nestjs/common';

export interface LogLine {
  readonly level: 'log' | 'error' | 'warn' | 'debug' | 'verbose' | 'fatal';
  readonly message: string;
  /** What followed the message: a stack where there is one, and the context last. */
  readonly rest: readonly unknown[];
}

/** A logger that keeps what it is told. */
export class LogBook implements LoggerService {
  readonly lines: LogLine[] = [];

  log(message: unknown, ...rest: unknown[]): void {
    this.write('log', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('verbose', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  /** The lines of this library. */
  ofTasks(level: LogLine['level']): LogLine[] {
    return this.lines.filter(
      (line) => line.level === level && /^(Task|A listener) /.test(line.message),
    );
  }

  /** All of it: a level and a message in each line. */
  get text(): string {
    return this.lines.map(({ level, message }) => `${level} ${message}`).join('\n');
  }

  private write(level: LogLine['level'], message: unknown, rest: readonly unknown[]): void {
    this.lines.push({ level, message: String(message), rest });
  }
}
