import type { LoggerService } from '@nestjs/common';

interface Line {
  readonly level: 'log' | 'error' | 'warn' | 'debug';
  readonly message: string;
  /** What came after the message: a stack, for an error. */
  readonly rest: readonly unknown[];
}

/** Keeps what would have been printed. */
export class RecordingLogger implements LoggerService {
  readonly lines: Line[] = [];

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

  /** The messages of one level. */
  of(level: Line['level']): string[] {
    return this.lines.filter((line) => line.level === level).map(({ message }) => message);
  }

  private write(level: Line['level'], message: unknown, rest: readonly unknown[]): void {
    this.lines.push({ level, message: String(message), rest });
  }
}
