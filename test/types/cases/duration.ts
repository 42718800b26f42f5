import type { Duration } from 'nestjs-background-tasks';

export const durations: Duration[] = [0, 500, 1.5, '0ms', '500ms', '30s', '1.5s', '5m', '2h', '7d'];

// @ts-expect-error 2322 the unit is "s"
export const words: Duration = '30 secs';
// @ts-expect-error 2322 no unit
export const bare: Duration = '30';
// @ts-expect-error 2322 no number
export const unit: Duration = 's';
// @ts-expect-error 2322 weeks are not among them
export const weeks: Duration = '5w';
// @ts-expect-error 2322 two of them
export const sum: Duration = '1h30m';
// @ts-expect-error 2322 any text
export const text: Duration = 'soon' as string;
// @ts-expect-error 2322 nothing
export const nothing: Duration = undefined;
