import { writeFile } from 'node:fs/promises';
import type { Session } from 'node:inspector';
import { join } from 'node:path';
import type { Task } from '../task/task.js';

/** Called when a profile has been written, or with the error. */
type OnProfiled = (task: Task, file: string, error: unknown) => void;

/** Samples the process while an attempt runs, into a `.cpuprofile` that any DevTools opens. */
export class Profiler {
  constructor(private readonly onProfiled: OnProfiled) {}

  /**
   * @param directory an existing directory for the file
   * @returns a function to call when the attempt is over
   */
  start(task: Task, directory: string): () => void {
    const file = join(directory, fileNameOf(task));
    try {
      // Loaded on demand: not every build of Node.js has it, and few tasks use it.
      const inspector = process.getBuiltinModule('node:inspector');
      const session = new inspector.Session();
      session.connect();
      session.post('Profiler.enable');
      session.post('Profiler.start');
      return () => this.stop(session, task, file);
    } catch (error) {
      this.onProfiled(task, file, error);
      return () => undefined;
    }
  }

  private stop(session: Session, task: Task, file: string): void {
    session.post('Profiler.stop', (error, result) => {
      session.disconnect();
      if (error) {
        this.onProfiled(task, file, error);
      } else {
        void this.write(task, file, result.profile);
      }
    });
  }

  private async write(task: Task, file: string, profile: object): Promise<void> {
    try {
      // Readable by the owner only: a profile contains paths and names.
      await writeFile(file, JSON.stringify(profile), { mode: 0o600 });
      this.onProfiled(task, file, undefined);
    } catch (error) {
      this.onProfiled(task, file, error);
    }
  }
}

/** A name may contain anything, such as a path; so may an id that was written into a store. */
function fileNameOf({ name, id, attempts }: Task): string {
  return `${wordOf(name)}-${wordOf(id)}-${attempts}.cpuprofile`;
}

function wordOf(text: string): string {
  return text.replace(/[^\w-]+/g, '_').slice(0, 100);
}
