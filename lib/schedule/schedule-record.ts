import type { ScheduleOptions } from '../task/schedule-options.js';
import type { StoredCall } from '../task/stored-call.js';

/** What a store keeps of a schedule. A change in meaning needs another {@link RECORD_VERSION}. */
export interface ScheduleRecord {
  readonly v: number;
  readonly options: ScheduleOptions;
  readonly queue: string;
  /**
   * The latest tick that was made or skipped. It only moves forward, except after a clock was set
   * back.
   */
  readonly last: number;
  /** When a process that has this schedule last wrote to the record, by the store's clock. */
  readonly seen: number;
  /** Former versions of the schedule. A process whose code has one of them is out of date. */
  readonly past?: readonly string[];
  /** Ticks after the first time, up to the second, are not made: too many were missed. */
  readonly skipFrom?: number | undefined;
  readonly skipTo?: number | undefined;
  /** The call of a schedule that was added at run time. Other schedules have theirs in the code. */
  readonly call?: { readonly name: string; readonly stored: StoredCall };
}

export const RECORD_VERSION = 1;

/** How many entries about former versions of a schedule are kept. */
const PAST = 20;

/** The schedule as text, for comparison. */
export function specOf({ cron, timeZone, every, missed, overlap }: ScheduleOptions): string {
  return JSON.stringify({ cron, timeZone, every, missed, overlap });
}

export function encode(record: ScheduleRecord): string {
  return JSON.stringify(record);
}

/** @returns `undefined` for a record of a later version, or of another author: it is left alone */
export function decode(text: string): ScheduleRecord | undefined {
  try {
    const record = JSON.parse(text) as Partial<ScheduleRecord> | null;
    const isKnown =
      record?.v === RECORD_VERSION &&
      typeof record.options === 'object' &&
      record.options !== null &&
      typeof record.queue === 'string' &&
      Number.isFinite(record.last) &&
      Number.isFinite(record.seen) &&
      (record.call === undefined ||
        (typeof record.call?.name === 'string' && typeof record.call.stored === 'object'));
    return isKnown ? (record as ScheduleRecord) : undefined;
  } catch {
    return undefined;
  }
}

type Version = Pick<ScheduleRecord, 'options' | 'queue'>;

/** What `past` has of a version: its schedule, and its queue, which may change alone. */
function entriesOf({ options, queue }: Version): string[] {
  return [specOf(options), `queue ${queue}`];
}

/** Whether the record is of a later version than this one, which differs from it. */
export function isFormer(record: ScheduleRecord, version: Version): boolean {
  const [spec = '', queue = ''] = entriesOf(version);
  return record.past?.includes(spec === specOf(record.options) ? queue : spec) === true;
}

/** A changed schedule, or one that returns to a former version, has its ticks from now on. */
export function changed(record: ScheduleRecord, version: Version, now: number): ScheduleRecord {
  const { options, queue } = version;
  const former = [...(record.past ?? []), ...entriesOf(record)];
  const past = former.filter((entry) => !entriesOf(version).includes(entry)).slice(-PAST);
  return { v: RECORD_VERSION, options, queue, last: now, seen: now, past };
}
