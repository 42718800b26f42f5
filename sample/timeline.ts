import type { TaskEvent } from 'nestjs-background-tasks';
import type { Observable } from 'rxjs';

/** The events that end a task. */
const LAST = new Set<TaskEvent['type']>([
  'completed',
  'failed',
  'cancelled',
  'dropped',
  'abandoned',
]);

interface Story {
  readonly addedAt: number;
  readonly steps: string[];
}

/**
 * Prints a line for each task when it is over: its events, and how many milliseconds after `added`
 * they came.
 */
export function printTimeline(events: Observable<TaskEvent>, print: (line: string) => void): void {
  const stories = new Map<string, Story>();
  events.subscribe((event) => {
    const story = stories.get(event.id) ?? { addedAt: event.at, steps: [] };
    story.steps.push(describe(event, Math.round(event.at - story.addedAt)));
    if (LAST.has(event.type)) {
      stories.delete(event.id);
      const line = `${event.name} ${event.id.slice(0, 4)}: ${story.steps.join(', ')}`;
      // The message of an error may contain anything.
      print(line.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, encodeURIComponent));
    } else {
      stories.set(event.id, story);
    }
  });
}

function describe(event: TaskEvent, afterMs: number): string {
  const step = `${event.type} ${afterMs} ms`;
  switch (event.type) {
    case 'retrying':
    case 'failed':
      return `${step} (${String(event.error)})`;
    case 'dropped':
      return `${step} (${event.reason})`;
    default:
      return step;
  }
}
