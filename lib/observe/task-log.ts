import type { LoggerService } from '@nestjs/common';
import type { DropReason } from '../task/outcome.js';
import type { Interruption, Task } from '../task/task.js';
import { printable } from './printable.js';
import { TaskLogLine, stackOf, summaryOf, type TaskLogFields } from './task-log-line.js';

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

type Level = 'error' | 'warn' | 'log' | 'debug';

/** What the log says about tasks. No last failure is left out of it. */
export class TaskLog {
  constructor(private readonly logger: LoggerService) {}

  failed(task: Task, error: unknown, durationMs: number): void {
    const attempts = task.attempts === 1 ? '1 attempt' : `${task.attempts} attempts`;
    const sentence = `failed after ${attempts}, the last one of ${Math.round(durationMs)} ms: ${summaryOf(error)}`;
    this.write('error', task, { event: 'failed', durationMs }, sentence, error);
  }

  retrying(task: Task, error: unknown, delayMs: number): void {
    const sentence =
      `failed in attempt ${task.attempts} of ${task.settings.retry.attempts}, ` +
      `the next one follows in ${Math.round(delayMs)} ms: ${summaryOf(error)}`;
    this.write('warn', task, { event: 'retrying', delayMs }, sentence);
  }

  putOff(task: Task, error: unknown, delayMs: number): void {
    const sentence =
      `was put off by ${Math.round(delayMs)} ms: its start could not be recorded: ` +
      summaryOf(error);
    this.write('warn', task, { event: 'put-off', delayMs }, sentence);
  }

  dropped(task: Task, reason: DropReason): void {
    // What waits for a failure is dropped by every success: that is no news.
    const level = reason === 'handler-completed' ? 'debug' : 'warn';
    this.write(level, task, { event: 'dropped', reason }, `was dropped: ${WHY_DROPPED[reason]}`);
  }

  abandoned(task: Task, isKept: boolean): void {
    if (isKept) {
      const kept = 'had not ended at the shutdown: it is stored and runs after the next start';
      return this.write('warn', task, { event: 'abandoned' }, kept);
    }
    const sentence = 'was abandoned: the application shut down before it ended';
    this.write('error', task, { event: 'abandoned' }, sentence);
  }

  fellBack(task: Task): void {
    const sentence =
      'is kept in memory: its store did not take it. It does not survive the process';
    this.write('warn', task, { event: 'fell-back' }, sentence);
  }

  overrun(task: Task, reason: Interruption): void {
    const sentence =
      `${WHAT_STOPPED[reason]}, but its body goes on: it does not heed its signal. ` +
      'Its slot is free again.';
    this.write('warn', task, { event: 'overrun', reason }, sentence);
  }

  /** A line that the task's body wrote. */
  line(task: Task, message: string): void {
    this.print(
      'log',
      new TaskLogLine(fieldsOf(task, { event: 'log' }), `${title(task)}: ${message}`),
    );
  }

  captured(name: string, what: string, position: number): void {
    this.guard(() =>
      this.logger.warn(
        `Task ${printable(name)} was given ${what} as argument ${position}: it may be closed when the ` +
          'task runs. Pass what the task needs of it instead: ids, values, the path of a file ' +
          '(docs/capturing.md; not checked in production).',
      ),
    );
  }

  /** A profile of an attempt was written to `file`, or could not be. */
  profiled(task: Task, file: string, error: unknown): void {
    if (error === undefined) {
      this.write('log', task, { event: 'profiled' }, `was profiled: ${file}`);
    } else {
      const sentence = `has no profile, ${file} could not be written: ${summaryOf(error)}`;
      this.write('warn', task, { event: 'profiled' }, sentence);
    }
  }

  hookFailed(error: unknown): void {
    this.guard(() =>
      this.logger.error(
        `A function passed to TaskRunner.around() threw: ${printable(summaryOf(error))}`,
        stackOf(error),
      ),
    );
  }

  listenerFailed(error: unknown): void {
    this.guard(() =>
      this.logger.error(
        `A listener of TaskRunner.events threw: ${printable(summaryOf(error))}`,
        stackOf(error),
      ),
    );
  }

  private write(
    level: Level,
    task: Task,
    own: Partial<TaskLogFields> & { event: string },
    sentence: string,
    error?: unknown,
  ): void {
    this.print(level, new TaskLogLine(fieldsOf(task, own), `${title(task)} ${sentence}`, error));
  }

  private print(level: Level, line: TaskLogLine): void {
    this.guard(() => this.logger[level]?.(line));
  }

  /** A logger that throws must not cost a task its slot, nor others what they wait for. */
  private guard(print: () => unknown): void {
    try {
      const printed = print();
      if (printed instanceof Promise) {
        printed.catch(() => undefined);
      }
    } catch {
      // There is nowhere left to say so.
    }
  }
}

function title({ name, id }: Task): string {
  return `Task ${name} (${id})`;
}

function fieldsOf(
  { id, name, queue, attempts }: Task,
  own: Partial<TaskLogFields> & { event: string },
): TaskLogFields {
  return { taskId: id, taskName: name, queue, attempt: attempts, ...own };
}
