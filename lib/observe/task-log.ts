import { isA } from '../errors/error-text.js';
import { printable } from '../errors/printable.js';
import { TaskCrashedError } from '../errors/storage.errors.js';
import type { Clock } from '../task/clock.js';
import type { DropReason, TaskStatus } from '../task/outcome.js';
import type { Interruption, Task } from '../task/task.js';
import { LogLine, type Level, type Log, type LogFields, type Thrown } from './log.js';
import { Refusals } from './refusals.js';
import type { TaskEvent } from './task-event.js';

const WHY_DROPPED: Record<DropReason, string> = {
  'request-failed': 'its request failed',
  'request-succeeded': 'its request succeeded',
  'predecessor-failed': 'a task before it did not complete',
  duplicate: 'another task with its dedupe key came first',
  'not-stored': 'the store did not take it',
  overflow: 'its queue was full, and it made room for a newer task',
};

/** Reasons that lie in the store or the queue, and so hit one task after the other. */
const IN_MASSES: ReadonlySet<DropReason> = new Set(['not-stored', 'overflow']);

const WHAT_STOPPED: Record<Interruption, string> = {
  timeout: 'timed out',
  cancelled: 'was cancelled',
  abandoned: 'was abandoned by the shutdown',
};

const WHY_ABANDONED: Partial<Record<TaskStatus, string>> = {
  collected: 'the response of its request had not ended',
  queued: 'its turn had not come',
  delayed: 'its delay was not over',
  running: 'its attempt had not ended',
  retrying: 'its next attempt was not due',
};

type OwnFields = Pick<LogFields, 'event' | 'durationMs' | 'delayMs' | 'reason' | 'count'>;

/** Calls `print` in the async context of the task, if that is still available. */
export type InContextOf = (task: Task, print: () => void) => void;

/** Writes what happens to tasks to the log. Each final failure gets a line of its own. */
export class TaskLog {
  private readonly refusals: Refusals;
  private readonly toldOf = new WeakSet<Error>();

  constructor(
    private readonly log: Log,
    clock: Clock,
    private readonly inContextOf: InContextOf = (_, print) => print(),
  ) {
    this.refusals = new Refusals(clock);
  }

  /** Logs the refusals that have only been counted so far. */
  end(): void {
    this.refusals.end();
  }

  failed(task: Task, error: unknown, durationMs: number): void {
    const sentence = isA(TaskCrashedError, error)
      ? `failed after ${error.starts} starts`
      : `failed after ${attemptsOf(task)}, the last one of ${Math.round(durationMs)} ms`;
    const thrown = { error, hasStack: true };
    this.write('error', task, { event: 'failed', durationMs }, sentence, thrown);
  }

  retrying(task: Task, error: unknown, delayMs: number): void {
    const sentence =
      `failed in attempt ${task.attempts} of ${task.maxAttempts}, ` +
      `the next one follows in ${Math.round(delayMs)} ms`;
    this.write('warn', task, { event: 'retrying', delayMs }, sentence, { error, hasStack: false });
  }

  /** Only after retries: their warnings need an end. */
  completed(task: Task, durationMs: number): void {
    if (task.attempts > 1) {
      const sentence = `completed in attempt ${task.attempts}, after ${Math.round(durationMs)} ms`;
      this.write('log', task, { event: 'completed', durationMs }, sentence);
    }
  }

  putOff(task: Task, error: unknown, delayMs: number): void {
    const sentence = `was put off by ${Math.round(delayMs)} ms: its start could not be recorded`;
    const thrown = { error, hasStack: false };
    this.writeCounted(task, { event: 'put-off', delayMs }, sentence, thrown);
  }

  dropped(task: Task, reason: DropReason): void {
    // Every success drops the tasks that wait for a failure, so this is no warning.
    const isAgain = reason === 'duplicate' && task.settings.dedupe?.again === true;
    const level = reason === 'request-succeeded' || isAgain ? 'debug' : 'warn';
    const sentence = `was dropped: ${WHY_DROPPED[reason]}`;
    if (IN_MASSES.has(reason)) {
      this.writeCounted(task, { event: 'dropped', reason }, sentence);
    } else {
      this.write(level, task, { event: 'dropped', reason }, sentence);
    }
  }

  abandoned(task: Task, isKept: boolean): void {
    const reason = task.status;
    const why = WHY_ABANDONED[reason] ?? 'it had not ended';
    const sentence = isKept
      ? `had not ended at the shutdown (${why}): it is stored and runs after the next start`
      : `was abandoned: ${why} when the application shut down`;
    this.write(isKept ? 'warn' : 'error', task, { event: 'abandoned', reason }, sentence);
  }

  fellBack(task: Task): void {
    const sentence =
      'is kept in memory: its store did not take it. It does not survive the process';
    this.writeCounted(task, { event: 'fell-back' }, sentence);
  }

  overrun(task: Task, reason: Interruption): void {
    const sentence =
      `${WHAT_STOPPED[reason]}, but its body goes on: it ignores its signal. ` +
      (task.settings.waitForEnd && reason !== 'abandoned'
        ? 'It keeps its slot until the body has ended.'
        : 'Its slot is free again.');
    this.write('warn', task, { event: 'overrun', reason }, sentence);
  }

  /** A line that the task's body wrote. The logger is called in the task's context already. */
  line(task: Task, message: string): void {
    const sentence = `${title(task)}: ${printable(message)}`;
    this.log.log(new LogLine(fieldsOf(task, { event: 'log' }), sentence));
  }

  captured(name: string, position: number): void {
    const sentence =
      `Task ${printable(name, 200)} was given a request, a response or a stream as argument ${position}: ` +
      'it may be closed when the task runs. Pass the values that the task needs instead: ids, data, the ' +
      'path of a file (docs/capturing.md; not checked in production).';
    this.log.warn(new LogLine({ event: 'captured', taskName: name }, sentence));
  }

  waitsForItself(waiter: string, awaited: string): void {
    const [who, what] = [printable(waiter, 200), printable(awaited, 200)];
    const sentence =
      `${who} waits for ${what}, which cannot end before ${who} has: if that promise is awaited, both ` +
      'wait for ever (docs/faq.md; not checked in production).';
    this.log.warn(new LogLine({ event: 'waits-for-itself' }, sentence));
  }

  /** @param error why `file` could not be written, if it could not */
  profiled(task: Task, file: string, error: unknown): void {
    if (error === undefined) {
      this.write('log', task, { event: 'profiled' }, `was profiled: ${printable(file)}`);
    } else {
      const sentence = `has no profile, ${printable(file)} could not be written`;
      this.write('warn', task, { event: 'profiled' }, sentence, { error, hasStack: false });
    }
  }

  ruleFailed(error: unknown): void {
    const sentence = 'The option request.succeeded threw, so the status of the answer decides';
    this.log.error(new LogLine({ event: 'rule-failed' }, sentence, { error, hasStack: true }));
  }

  unsent(request: string, error: unknown): void {
    const sentence = `${printable(request, 200)} could not be answered as intended`;
    this.log.error(new LogLine({ event: 'answer-failed' }, sentence, { error, hasStack: true }));
  }

  /**
   * A request is answered 503, or was handled without a task that was refused.
   *
   * @param error may come again when it is rethrown, and is told once
   */
  refused(error: Error): void {
    if (!this.toldOf.has(error)) {
      this.toldOf.add(error);
      this.refusals.add(error.message, (count) => {
        const sentence = count === 1 ? 'Refused a request' : `Refused ${count} more requests`;
        const thrown = { error, hasStack: false };
        this.log.warn(new LogLine({ event: 'refused', count }, sentence, thrown));
      });
    }
  }

  unread(count: number): void {
    this.refusals.add('unread', (times) => {
      const ended =
        times === 1
          ? `Ended a connection on which ${count} tasks waited`
          : `Ended ${times} more connections, the last one with ${count} tasks that waited`;
      const sentence = `${ended} for a client that does not read its answers`;
      this.log.warn(new LogLine({ event: 'unread', count: times }, sentence));
    });
  }

  hookFailed(error: unknown): void {
    const sentence = 'A function passed to TaskRunner.around() threw';
    this.log.error(new LogLine({ event: 'hook-failed' }, sentence, { error, hasStack: true }));
  }

  listenerFailed(error: unknown): void {
    const sentence = 'A listener of TaskRunner.events threw';
    this.log.error(new LogLine({ event: 'listener-failed' }, sentence, { error, hasStack: true }));
  }

  /** Logs an event at debug, unless a method above logs it at a higher level. */
  happened(event: TaskEvent): void {
    const sentence = sentenceOf(event);
    if (sentence !== undefined) {
      const { type, id, name, queue } = event;
      const fields = {
        event: type,
        taskId: id,
        taskName: name,
        queue,
        attempt: 'attempt' in event ? event.attempt : 0,
        ...(type === 'completed' && { durationMs: event.durationMs }),
      };
      this.log.debug(new LogLine(fields, `${title(event)} ${sentence}`));
    }
  }

  /**
   * For lines that may come in masses: one stands for several.
   *
   * @param tell called with 1, or with the number of events since this kind was last told
   */
  inMasses(kind: string, tell: (count: number) => void): void {
    this.refusals.add(kind, tell);
  }

  /** For events that may hit all tasks of a queue at once: one line stands for several tasks. */
  private writeCounted(task: Task, own: OwnFields, sentence: string, thrown?: Thrown): void {
    this.refusals.add(`${own.event} ${own.reason} ${task.queue}`, (count) => {
      const others =
        count === 1 ? '' : ` (and ${count - 1} more tasks of its queue since the previous line)`;
      this.write('warn', task, { ...own, count }, `${sentence}${others}`, thrown);
    });
  }

  private write(level: Level, task: Task, own: OwnFields, sentence: string, thrown?: Thrown): void {
    const line = new LogLine(fieldsOf(task, own), `${title(task)} ${sentence}`, thrown);
    this.inContextOf(task, () => this.log[level](line));
  }
}

/** `undefined` where a method of TaskLog has a line at a higher level. */
function sentenceOf(event: TaskEvent): string | undefined {
  switch (event.type) {
    case 'added':
      return `was added to ${printable(event.queue, 200)}`;
    case 'queued':
      return 'was released';
    case 'started':
      return `started, attempt ${event.attempt}`;
    case 'progress':
      return 'reported progress';
    case 'completed':
      return event.attempt > 1 ? undefined : `completed in ${Math.round(event.durationMs)} ms`;
    case 'cancelled':
      return 'was cancelled';
    case 'dropped':
    case 'retrying':
    case 'failed':
    case 'abandoned':
    case 'fell-back':
      return undefined;
  }
}

function attemptsOf({ attempts }: Task): string {
  return attempts === 1 ? '1 attempt' : `${attempts} attempts`;
}

function title({ name, id }: { readonly name: string; readonly id: string }): string {
  return `Task ${printable(name, 200)} (${printable(id, 200)})`;
}

function fieldsOf({ id, name, queue, attempts }: Task, own: LogFields): LogFields {
  return { taskId: id, taskName: name, queue, attempt: attempts, ...own };
}
