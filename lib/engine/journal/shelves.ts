import { decodeLine } from './journal-lines.js';
import type { JournalRecord } from './journal-record.js';
import type { Segment } from './segment.js';

/** Which file of the journal has the latest version of each record. */
export class Shelves {
  private total = 0;

  /** How long all of them are together, roughly: in characters. */
  get length(): number {
    return this.total;
  }

  /** What the files hold, in the order in which the tasks were added. */
  async read(
    files: AsyncIterable<{ segment: Segment; lines: Iterable<string> }>,
  ): Promise<JournalRecord[]> {
    const found = new Map<number, JournalRecord>();
    const remove = (order: number): void => {
      const record = found.get(order);
      if (record !== undefined) {
        this.remove(record);
        found.delete(order);
      }
    };
    for await (const { segment, lines } of files) {
      for (const line of lines) {
        const entry = decodeLine(line);
        if ('put' in entry) {
          remove(entry.put.order);
          found.set(entry.put.order, entry.put);
          this.put(entry.put, segment);
        } else {
          entry.removed.forEach(remove);
        }
      }
    }
    return [...found.values()].toSorted((a, b) => a.order - b.order);
  }

  put(record: JournalRecord, segment: Segment): void {
    this.remove(record);
    record.segment = segment;
    segment.records.add(record);
    this.total += record.length;
  }

  remove(record: JournalRecord): void {
    if (record.segment !== undefined) {
      record.segment.records.remove(record);
      record.segment = undefined;
      this.total -= record.length;
    }
  }
}
