import type { LoggerService } from '@nestjs/common';

export interface LogLine {
  readonly level: 'log' | 'error' | 'warn' | 'debug' | 'verbose' | 'fatal';
  readonly message: string;
}

export class LogBook implements LoggerService {
  readonly lines: LogLine[] = [];
  readonly log = this.keeping('log');
  readonly error = this.keeping('error');
  readonly warn = this.keeping('warn');
  readonly debug = this.keeping('debug');
  readonly verbose = this.keeping('verbose');
  readonly fatal = this.keeping('fatal');

  of(level: LogLine['level']): string[] {
    return this.lines.filter((line) => line.level === level).map(({ message }) => message);
  }

  /** The messages of this library. */
  ofTasks(level: LogLine['level']): string[] {
    return this.of(level).filter((message) => /^(Task|A listener) /.test(message));
  }

  /** All lines, each with its level and message. */
  get text(): string {
    return this.lines.map(({ level, message }) => `${level} ${message}`).join('\n');
  }

  private keeping(level: LogLine['level']) {
    return (message: unknown): void => void this.lines.push({ level, message: String(message) });
  }
}
