import type { Clock } from '../../task/clock.js';
import type { Task } from '../../task/task.js';
import type { ScheduleStore } from '../engine.js';
import type { JournalStore } from './journal-store.js';

/** The records of schedules in a journal. This process is the only owner. */
export class JournalSchedules implements ScheduleStore {
  private records: Map<string, string> | undefined;

  /** @param add commits pending records, with a task if given, in this turn of the event loop */
  constructor(
    private readonly store: JournalStore,
    private readonly clock: Clock,
    private readonly add: (task: Task | undefined) => Promise<'done' | 'duplicate'>,
  ) {}

  async load(): Promise<{ now: number; records: ReadonlyMap<string, string> }> {
    this.store.checkOpen();
    return { now: this.clock.wall(), records: new Map(this.known) };
  }

  async swap(
    name: string,
    before: string | undefined,
    after: string | undefined,
    task?: Task,
  ): Promise<'done' | 'duplicate' | 'stale'> {
    if (this.known.get(name) !== before) {
      return 'stale';
    }
    this.write(name, after);
    try {
      return await this.add(task);
    } catch (error) {
      this.write(name, before); // the disk may have `after` all the same: write `before` again
      throw error;
    }
  }

  private write(name: string, record: string | undefined): void {
    if (record === undefined) {
      this.known.delete(name);
    } else {
      this.known.set(name, record);
    }
    this.store.putSchedule(name, record);
  }

  private get known(): Map<string, string> {
    return (this.records ??= this.store.schedules());
  }
}
