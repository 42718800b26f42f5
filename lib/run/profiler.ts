import { writeFile } from 'node:fs/promises';
import type { Session } from 'node:inspector';
import { join } from 'node:path';
import type { Task } from '../task/task.js';

/** Told when a profile is there, or cannot be. */
type OnProfiled = (task: Task, file: string, error: unknown) => void;

/** Samples the process while an attempt runs, into a `.cpuprofile` that any DevTools opens. */
export class Profiler {
  constructor(private readonly onProfiled: OnProfiled) {}

  /**
   * @param directory where the file goes; it must exist
   * @returns a function to be called when the attempt is over
   */
  start(task: Task, directory: string): () => void {
    const file = join(directory, fileNameOf(task));
    try {
      // Asked for here: not every build of Node.js has it, and hardly any task wants it.
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
      // It shows paths and names that are nobody else's business.
      await writeFile(file, JSON.stringify(profile), { mode: 0o600 });
      this.onProfiled(task, file, undefined);
    } catch (error) {
      this.onProfiled(task, file, error);
    }
  }
}

/** A name may hold anything, a path for example; so may an id that somebody has put into a store. */
function fileNameOf({ name, id, attempts }: Task): string {
  return `${wordOf(name)}-${wordOf(id)}-${attempts}.cpuprofile`;
}

function wordOf(text: string): string {
  return text.replace(/[^\w-]+/g, '_').slice(0, 100);
}
