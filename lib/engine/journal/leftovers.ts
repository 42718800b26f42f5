import type { Chain, Task } from '../../task/task.js';
import type { Restore } from '../engine.js';
import type { JournalRecord } from './journal-record.js';

/** The restored tasks of a line. */
interface RestoredGroup {
  readonly tasks: readonly Task[];
  readonly recordOf: (task: Task) => JournalRecord;
}

/** What an earlier process left in the journal, including what cannot be restored here. */
export class Leftovers {
  /** The number of tasks of each name that no method here has. */
  private readonly unknown = new Map<string, number>();
  private readonly unreadable: { readonly record: JournalRecord; readonly error: unknown }[] = [];
  private waiting = 0;

  /** @param records in the order added @param check throws if a task does not belong to this engine */
  constructor(
    private readonly records: readonly JournalRecord[],
    private readonly check: (task: Task) => void,
  ) {}

  *restore(restore: Restore): Generator<RestoredGroup> {
    for (const group of groupsOf(this.records)) {
      const byId = new Map(group.map((record) => [record.id, record]));
      yield {
        tasks: this.restoreGroup(group, restore),
        recordOf: (task) => byId.get(task.id) as JournalRecord,
      };
    }
  }

  /** One line for each kind of problem. The tasks concerned stay in the journal. */
  *problems(path: string): Generator<string> {
    for (const [name, count] of this.unknown) {
      yield (
        `The journal ${path} has ${count} tasks named "${name}", and no @Background() method ` +
        'here has that name. They are kept: start a version that has it, or give the method ' +
        '{ aliases }.'
      );
    }
    for (const { record, error } of this.unreadable) {
      yield (
        `The journal ${path} has a task "${record.name}" (${record.id}) that cannot be made ` +
        `again here: ${String(error)}. It is kept.`
      );
    }
    if (this.waiting > 0) {
      yield (
        `The journal ${path} also keeps ${this.waiting} tasks that follow one of those in ` +
        'its chain.'
      );
    }
  }

  private restoreGroup(group: readonly JournalRecord[], restore: Restore): Task[] {
    const tasks: Task[] = [];
    const chains = new Map<string, Chain>();
    const interrupted = new Set<string>();
    for (const record of group) {
      const { chain } = record;
      if (chain !== undefined && interrupted.has(chain)) {
        // A task before it in its chain cannot run yet.
        this.waiting += 1;
        continue;
      }
      const task = this.restoreOne(record, restore);
      if (task === undefined) {
        interrupted.add(chain ?? record.id);
        continue;
      }
      if (chain !== undefined) {
        task.chain = chains.get(chain) ?? { id: chain };
        chains.set(chain, task.chain);
      }
      tasks.push(task);
    }
    return tasks;
  }

  private restoreOne(record: JournalRecord, restore: Restore): Task | undefined {
    try {
      const [task] = restore([record]);
      if (task === undefined) {
        this.unknown.set(record.name, (this.unknown.get(record.name) ?? 0) + 1);
      } else {
        this.check(task);
      }
      return task;
    } catch (error) {
      this.unreadable.push({ record, error });
      return undefined;
    }
  }
}

/** Groups records by line, in the order added. */
function groupsOf(records: readonly JournalRecord[]): JournalRecord[][] {
  const groups = new Map<string, JournalRecord[]>();
  for (const record of records) {
    const group = groups.get(record.group);
    if (group === undefined) {
      groups.set(record.group, [record]);
    } else {
      group.push(record);
    }
  }
  return [...groups.values()];
}
