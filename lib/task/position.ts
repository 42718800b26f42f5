import type { ErrorText } from '../errors/error-text.js';
import type { TaskInfo } from './task-info.js';

/** The sort key of failed tasks: the time of the failure, then the id. */
export interface Position {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly id: string;
}

/** Keeps microseconds: many tasks may fail within one millisecond. */
export function cursorOf({ at, id }: Position): string {
  return `${Math.floor(at * 1_000) / 1_000}-${id}`;
}

/** @returns `undefined` if `cursor` is not a cursor */
export function positionIn(cursor: string): Position | undefined {
  const [, at = '', id = ''] = /^(\d{1,16}(?:\.\d{1,6})?)-(.+)$/s.exec(cursor) ?? [];
  return isId(id) ? { at: Number(at), id } : undefined;
}

/** Whether there may be a task with this id. Clients send ids; some stores cannot look for every text. */
export function isId(id: unknown): boolean {
  return typeof id === 'string' && /^[^\0]{1,500}$/.test(id);
}

/** @returns below 0 if `a` comes before `b` */
export function compare(a: Position, b: Position): number {
  if (a.at !== b.at) {
    return a.at - b.at;
  }
  if (a.id === b.id) {
    return 0;
  }
  return a.id < b.id ? -1 : 1;
}

export function positionOf({ cursor, addedAt, id }: TaskInfo): Position {
  return positionIn(cursor ?? '') ?? { at: addedAt, id };
}

export function errorFits({ outcome }: TaskInfo, wanted: string | undefined): boolean {
  return wanted === undefined || (outcome?.status === 'failed' && fitsError(outcome.error, wanted));
}

/** Whether `wanted` is the name or code of an error, or a part of its message. */
export function fitsError(error: unknown, wanted: string): boolean {
  const { name, message, code } = (error ?? {}) as Partial<ErrorText>;
  return name === wanted || String(code) === wanted || message?.includes(wanted) === true;
}
