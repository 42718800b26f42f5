import { beforeEach, describe, expect, it } from '@jest/globals';
import { GroupCommit } from '../../../lib/engine/journal/group-commit.js';
import type { Group } from '../../../lib/engine/journal/group.js';
import { JournalRecord } from '../../../lib/engine/journal/journal-record.js';
import { Deferred } from '../support/deferred.js';
import { resolutionOf } from '../support/resolution.js';

const record = (order: number): JournalRecord => {
  const call = { args: '[]', options: undefined, carried: undefined };
  return new JournalRecord(order, `r${order}`, 'note', 'mail', call, 0, `r${order}`, undefined);
};

/** A group that has come to the disk, and what the disk makes of it. */
interface Write {
  readonly group: Group;
  readonly end: Deferred;
}

/** A disk that takes its time: until the test says so. */
class SlowDisk {
  private readonly writes: Write[] = [];
  private waiting: ((write: Write) => void) | undefined;
  readonly commits = new GroupCommit({
    append: (group) => {
      const write = { group, end: new Deferred() };
      if (this.waiting === undefined) {
        this.writes.push(write);
      } else {
        this.waiting(write);
        this.waiting = undefined;
      }
      return write.end.promise;
    },
    failed: () => undefined,
  });

  /** Resolves to the next group once it has come. */
  next(): Promise<Write> {
    const write = this.writes.shift();
    return write === undefined
      ? new Promise((resolve) => {
          this.waiting = resolve;
        })
      : Promise.resolve(write);
  }

  commit(...records: JournalRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.commits.commit(records, (error) => (error === undefined ? resolve() : reject(error)));
    });
  }
}

describe('what is written in groups', () => {
  let disk: SlowDisk;

  beforeEach(() => {
    disk = new SlowDisk();
  });

  it('is all written by the end of a flush, also what came while it wrote', async () => {
    const { commits } = disk;
    commits.remove(1);
    const flushed = commits.flush();
    const flushing = resolutionOf(flushed);
    const first = await disk.next();
    commits.remove(2);
    first.end.resolve();
    const second = await disk.next();
    expect([first.group.removed, second.group.removed, flushing.isThere]).toEqual([
      [1],
      [2],
      false,
    ]);
    second.end.resolve();
    await flushed;
  });

  it('is all written by the end of a flush that began while others wrote', async () => {
    const { commits } = disk;
    const committed = disk.commit(record(1));
    const first = await disk.next();
    const flushed = commits.flush();
    commits.remove(2);
    first.end.resolve();
    await committed;
    const second = await disk.next();
    commits.remove(3);
    second.end.resolve();
    const third = await disk.next();
    third.end.resolve();
    await flushed;
    expect([second.group.removed, third.group.removed]).toEqual([[2], [3]]);
  });

  it('is not waited for by a flush where the disk does not take it', async () => {
    const { commits } = disk;
    commits.remove(1);
    const flushed = commits.flush();
    const first = await disk.next();
    first.end.reject(new Error('ENOSPC'));
    await expect(flushed).resolves.toBeUndefined();
  });

  it('comes before what is newer where it has to be written again', async () => {
    const { commits } = disk;
    const [dead, again] = [record(7), record(7)];
    commits.put(dead);
    const first = await disk.next();
    const committed = disk.commit(again); // retried by hand meanwhile
    first.end.reject(new Error('ENOSPC'));
    const second = await disk.next();
    second.end.resolve();
    await committed;
    // Of two records of one order the last is kept.
    expect(second.group.records.map((each) => each === again)).toEqual([false, true]);
  });
});
