import { describe, expect, it } from '@jest/globals';
import { CronExpressionParser } from 'cron-parser';
import { timingOf } from '../../../lib/schedule/timing.js';

/** Ticks from just before each of these, in zones whose clocks are set, and at ends of months. */
const TIMES = [
  '2026-03-27T22:00:00Z', // before clocks in Europe go forward
  '2026-10-23T22:00:00Z', // before they go back
  '2026-03-07T12:00:00Z', // North America
  '2026-10-31T12:00:00Z',
  '2028-02-27T12:00:00Z', // a leap year
  '2026-12-30T12:00:00Z',
];
const EXPRESSIONS: readonly (readonly [string, string])[] = [
  ['0 3 * * *', 'Europe/Berlin'],
  ['0 0 * * *', 'America/New_York'],
  ['0 * * * *', 'UTC'],
  ['15 4 * * *', 'Australia/Lord_Howe'],
  ['0 12 31 * *', 'Europe/London'],
  ['0 0 29 2 *', 'UTC'],
  ['0 9 * * 1-5', 'America/Sao_Paulo'],
  ['*/15 * * * *', 'Asia/Kolkata'],
  ['0 0 1 */3 *', 'Pacific/Auckland'],
  ['30 23 28-31 * *', 'America/Los_Angeles'],
];
const CASES = EXPRESSIONS.flatMap(([cron, timeZone]) =>
  TIMES.map((time) => [cron, timeZone, time]),
);

describe('a cron expression', () => {
  it.each(CASES)('%s in %s after %s ticks as cron-parser has it', (cron, timeZone, time) => {
    const other = CronExpressionParser.parse(cron, { tz: timeZone, currentDate: time });
    const timing = timingOf({ cron, timeZone }, 'here');
    let tick: number | undefined = Date.parse(time);
    for (let count = 0; count < 5; count += 1) {
      tick = timing.after(tick ?? 0);
      expect(new Date(tick ?? 0).toISOString()).toBe(other.next().toDate().toISOString());
    }
  });

  it('ticks once in a night in which its time is there twice, and later in one that lacks it', () => {
    const { after } = timingOf({ cron: '30 2 * * *', timeZone: 'Europe/Berlin' }, 'here');
    const nights = ['2026-10-24T12:00:00Z', '2026-10-25T00:30:00Z', '2026-03-28T12:00:00Z'];
    expect(nights.map((time) => new Date(after(Date.parse(time)) ?? 0).toISOString())).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
      '2026-03-29T01:00:00.000Z',
    ]);
  });

  it.each([
    ['30 2,14 * * *', '2026-03-28T14:00:00Z', '2026-03-29T01:00:00.000Z'],
    ['0,30 2 * * *', '2026-03-28T14:00:00Z', '2026-03-29T01:00:00.000Z'],
    ['30 2,14 * * *', '2026-10-25T00:30:00Z', '2026-10-25T13:30:00.000Z'],
    ['30 * * * *', '2026-10-25T00:30:00Z', '2026-10-25T01:30:00.000Z'],
    ['30 * * * *', '2026-03-29T00:30:00Z', '2026-03-29T01:30:00.000Z'],
  ])('%s has several ticks a day: the tick after %s is %s', (cron, time, expected) => {
    const { after } = timingOf({ cron, timeZone: 'Europe/Berlin' }, 'here');
    expect(new Date(after(Date.parse(time)) ?? 0).toISOString()).toBe(expected);
  });

  it.each([
    [{ cron: '61 * * * *' }, /here\.cron.*'61 \* \* \* \*' is no cron expression.*five fields/],
    [{ cron: '0 0 30 2 *' }, /here\.cron.*no time matches it/],
    [{ cron: 'every day' }, /here\.cron.*is no cron expression/],
    [{ cron: '0 3 * * *', timeZone: 'Mars/Base' }, /here\.timeZone.*'Mars\/Base' is no time zone/],
  ])('%j is refused', (options, message) => {
    expect(() => timingOf(options, 'here')).toThrow(message);
  });
});

it('`every` with a fraction of a millisecond: each tick is later than the tick before', () => {
  const { after } = timingOf({ every: 1.64 }, 'here');
  let last = Date.UTC(2026, 0, 1);
  for (let count = 0; count < 1_000; count += 1) {
    const tick = after(last) ?? 0;
    expect(tick).toBeGreaterThan(last);
    last = tick;
  }
});

it('`every` counts from the epoch, and each tick is strictly later than the time asked about', () => {
  const { after } = timingOf({ every: '5m' }, 'here');
  const five = 300_000;
  expect([after(0), after(1), after(five - 1), after(five)]).toEqual([five, five, five, 2 * five]);
});
