import ms, { type StringValue } from 'ms';

/**
 * A span of time: a number of milliseconds, or a number with a unit (`'500ms'`, `'30s'`, `'5m'`,
 * `'2h'`, `'7d'`).
 */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

export const DURATION_FORMAT = "milliseconds or a string such as '500ms', '30s', '5m', '2h', '1d'";

/** The longest Node.js timer: about 24 days. A longer one fires at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

const WITH_UNIT = /^\d+(\.\d+)?(ms|s|m|h|d)$/;

/** The duration in milliseconds, or `undefined` if `value` is not a duration of zero or more. */
export function toMilliseconds(value: unknown): number | undefined {
  if (typeof value === 'number') {
    return Number.isFinite(value) && value >= 0 ? value : undefined;
  }
  if (typeof value === 'string' && WITH_UNIT.test(value)) {
    return ms(value as StringValue);
  }
  return undefined;
}

/** Converts a duration that was checked before. */
export function milliseconds(duration: Duration): number {
  return toMilliseconds(duration) ?? 0;
}
