import type { ScheduleOptions } from '../task/schedule-options.js';
import type { StoredCall } from '../task/stored-call.js';

/** What a store keeps of a schedule. A change of its meaning needs another {@link RECORD_VERSION}. */
export interface ScheduleRecord {
  readonly v: number;
  readonly options: ScheduleOptions;
  readonly queue: string;
  /** The latest tick, made or passed over: time goes on from here, and never back. */
  readonly last: number;
  /** When a process that has this schedule was last there, by the store's clock. */
  readonly seen: number;
  /** What the schedule was before it was changed: a process that still has one of these is older. */
  readonly past?: readonly string[];
  /** Of a schedule that was added at run time: what it calls. The others are found in the code. */
  readonly call?: { readonly name: string; readonly stored: StoredCall };
}

export const RECORD_VERSION = 1;

/** So many former versions of a schedule are known as such. */
const PAST = 10;

/** The schedule as text: two that are written alike are the same. */
export function specOf({ cron, timeZone, every, missed, overlap }: ScheduleOptions): string {
  return JSON.stringify({ cron, timeZone, every, missed, overlap });
}

export function encode(record: ScheduleRecord): string {
  return JSON.stringify(record);
}

/** @returns `undefined` for what no version up to this one has written: it is left alone */
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

/** The schedule was changed in the code, or is what it was before: it goes on from now. */
export function changed(
  record: ScheduleRecord,
  { options, queue }: Pick<ScheduleRecord, 'options' | 'queue'>,
  now: number,
): ScheduleRecord {
  const former = [...(record.past ?? []), specOf(record.options)];
  const past = former.filter((spec) => spec !== specOf(options)).slice(-PAST);
  return { v: RECORD_VERSION, options, queue, last: now, seen: now, past };
}
