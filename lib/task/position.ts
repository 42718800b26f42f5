import type { ErrorText } from '../errors/error-text.js';
import type { TaskInfo } from './task-info.js';

/** Where a failed task stands among all: by its end, then by its id. */
export interface Position {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly id: string;
}

/** To the microsecond: many may fail within a millisecond. */
export function cursorOf({ at, id }: Position): string {
  return `${Math.floor(at * 1_000) / 1_000}-${id}`;
}

/** @returns `undefined` where it is none */
export function positionIn(cursor: string): Position | undefined {
  const [, at = '', id = ''] = /^(\d{1,16}(?:\.\d{1,6})?)-(.+)$/s.exec(cursor) ?? [];
  return id === '' ? undefined : { at: Number(at), id };
}

/** @returns below 0 where `a` stands before `b` in time */
export function compare(a: Position, b: Position): number {
  if (a.at !== b.at) {
    return a.at - b.at;
  }
  if (a.id === b.id) {
    return 0;
  }
  return a.id < b.id ? -1 : 1;
}

/** Where a failed task stands. */
export function positionOf({ cursor, addedAt, id }: TaskInfo): Position {
  return positionIn(cursor ?? '') ?? { at: addedAt, id };
}

export function errorFits({ outcome }: TaskInfo, wanted: string | undefined): boolean {
  return wanted === undefined || (outcome?.status === 'failed' && fitsError(outcome.error, wanted));
}

/** Whether an error, or its text, has this code or name, or this in its message. */
export function fitsError(error: unknown, wanted: string): boolean {
  const { name, message, code } = (error ?? {}) as Partial<ErrorText>;
  return name === wanted || String(code) === wanted || message?.includes(wanted) === true;
}
