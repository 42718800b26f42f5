import { MAX_LINES } from '../../../task/log-lines.js';
import type { Task } from '../../../task/task.js';
import { storable } from '../codec/stored-end.js';
import type { JobStore } from '../store/job-store.js';

/** What a body has said since the store was last told. */
interface Unsaid {
  progress: string | undefined;
  lines: string[];
}

/**
 * What running tasks say of themselves, for those who look from another process; lost where the store
 * does not take it at once. A body may say more than the store can take: one write of a task is under
 * way at a time, then the latest progress and the latest lines follow.
 */
export class Reports {
  private readonly unsaid = new Map<string, Unsaid>();

  constructor(private readonly store: JobStore) {}

  progressed(task: Task): void {
    try {
      this.say(task).progress = JSON.stringify(task.progress);
    } catch {
      // No JSON holds it: it is seen in this process.
    }
  }

  logged(task: Task, line: string): void {
    const { lines } = this.say(task);
    lines.push(storable(line));
    if (lines.length > MAX_LINES) {
      lines.shift();
    }
  }

  private say({ id, queue }: Task): Unsaid {
    let unsaid = this.unsaid.get(id);
    if (unsaid === undefined) {
      unsaid = { progress: undefined, lines: [] };
      this.unsaid.set(id, unsaid);
      void this.write(id, queue, unsaid);
    }
    return unsaid;
  }

  private async write(id: string, queue: string, unsaid: Unsaid): Promise<void> {
    // What is said in one go is written in one go.
    await Promise.resolve();
    try {
      const { backend } = this.store.queue(queue);
      while (unsaid.progress !== undefined || unsaid.lines.length > 0) {
        const { progress, lines } = unsaid;
        unsaid.progress = undefined;
        unsaid.lines = [];
        if (progress !== undefined) {
          await backend.updateProgress(id, { json: progress });
        }
        for (const line of lines) {
          await backend.addLog(id, line, MAX_LINES);
        }
      }
    } catch {
      // As said above.
    } finally {
      this.unsaid.delete(id);
    }
  }
}
