import type { LoggerService } from '@nestjs/common';

/** Keeps what would have been printed. */
export class Log implements LoggerService {
  readonly errors: string[] = [];
  readonly warnings: string[] = [];

  log(): void {
    // Nobody asks for it.
  }

  error(message: unknown): void {
    this.errors.push(String(message));
  }

  warn(message: unknown): void {
    this.warnings.push(String(message));
  }
}
