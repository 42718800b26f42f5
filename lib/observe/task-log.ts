import type { LoggerService } from '@nestjs/common';
import type { DropReason } from '../task/outcome.js';
import type { Interruption, Task } from '../task/task.js';

const WHY_DROPPED: Record<DropReason, string> = {
  'handler-failed': 'the handler of its request did not complete',
  'handler-completed': 'the handler of its request completed',
  'predecessor-failed': 'a task before it did not complete',
  duplicate: 'another one with its dedupe key got ahead of it',
  'not-stored': 'the store did not take it',
  overflow: 'its queue was full, and it made room for a newer one',
};

const WHAT_STOPPED: Record<Interruption, string> = {
  timeout: 'timed out',
  cancelled: 'was cancelled',
  abandoned: 'was abandoned by the shutdown',
};

/** What the log says about tasks. No last failure is left out of it. */
export class TaskLog {
  constructor(private readonly logger: LoggerService) {}

  failed(task: Task, error: unknown, durationMs: number): void {
    const attempts = task.attempts === 1 ? '1 attempt' : `${task.attempts} attempts`;
    this.logger.error(
      `${title(task)} failed after ${attempts}, the last one of ${Math.round(durationMs)} ms: ${summary(error)}`,
      stackOf(error),
    );
  }

  retrying(task: Task, error: unknown, delayMs: number): void {
    this.logger.warn(
      `${title(task)} failed in attempt ${task.attempts} of ${task.settings.retry.attempts}, ` +
        `the next one follows in ${Math.round(delayMs)} ms: ${summary(error)}`,
    );
  }

  dropped(task: Task, reason: DropReason): void {
    const line = `${title(task)} was dropped: ${WHY_DROPPED[reason]}`;
    // What waits for a failure is dropped by every success: that is no news.
    if (reason === 'handler-completed') {
      this.logger.debug?.(line);
    } else {
      this.logger.warn(line);
    }
  }

  abandoned(task: Task, isKept: boolean): void {
    if (isKept) {
      return this.logger.warn(
        `${title(task)} had not ended at the shutdown: it is stored and runs after the next start`,
      );
    }
    this.logger.error(`${title(task)} was abandoned: the application shut down before it ended`);
  }

  fellBack(task: Task): void {
    this.logger.warn(
      `${title(task)} is kept in memory: its store did not take it. It does not survive the process`,
    );
  }

  overrun(task: Task, reason: Interruption): void {
    this.logger.warn(
      `${title(task)} ${WHAT_STOPPED[reason]}, but its body goes on: it does not heed its signal. ` +
        'Its slot is free again.',
    );
  }

  line(task: Task, message: string): void {
    this.logger.log(`${title(task)}: ${message}`);
  }

  listenerFailed(error: unknown): void {
    this.logger.error(`A listener of TaskRunner.events threw: ${summary(error)}`, stackOf(error));
  }
}

function title({ name, id }: Task): string {
  return `Task ${name} (${id})`;
}

/** Any value can be thrown, and looking at it must not throw in turn. */
function summary(error: unknown): string {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } catch {
    return 'a value that cannot be shown';
  }
}

function stackOf(error: unknown): string | undefined {
  try {
    const stack = (error as { stack?: unknown } | null | undefined)?.stack;
    return typeof stack === 'string' ? stack : undefined;
  } catch {
    return undefined;
  }
}
