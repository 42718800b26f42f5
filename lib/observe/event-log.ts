import type { OnApplicationBootstrap } from '@nestjs/common';
import { TaskLogLine } from './task-log-line.js';
import type { TaskEvent } from './task-event.js';
import type { TaskEvents } from './task-events.js';

/** The part of Nest's Logger that is needed here. */
interface DebugLog {
  debug(line: TaskLogLine): void;
}

/**
 * One line at debug for each thing that happens to a task, but for those that the TaskLog has at a
 * higher level. Where nobody asked for them, no event is put together.
 */
export class EventLog implements OnApplicationBootstrap {
  constructor(
    private readonly events: TaskEvents,
    private readonly logger: DebugLog,
    private readonly isEnabled: boolean,
  ) {}

  onApplicationBootstrap(): void {
    if (this.isEnabled) {
      this.events.stream.subscribe((event) => this.write(event));
    }
  }

  private write(event: TaskEvent): void {
    const sentence = sentenceOf(event);
    if (sentence === undefined) {
      return;
    }
    const { type, id, name, queue } = event;
    const fields = {
      event: type,
      taskId: id,
      taskName: name,
      queue,
      attempt: 'attempt' in event ? event.attempt : 0,
      durationMs: event.type === 'completed' ? event.durationMs : undefined,
    };
    this.logger.debug(new TaskLogLine(fields, `Task ${name} (${id}) ${sentence}`));
  }
}

/** `undefined` for what is said elsewhere, at a higher level. */
function sentenceOf(event: TaskEvent): string | undefined {
  switch (event.type) {
    case 'added':
      return `was added to ${event.queue}`;
    case 'queued':
      return 'was released';
    case 'started':
      return `started, attempt ${event.attempt}`;
    case 'progress':
      return 'reported progress';
    case 'completed':
      return `completed in ${Math.round(event.durationMs)} ms`;
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
