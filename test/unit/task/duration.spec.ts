import { describe, expect, it } from '@jest/globals';
import { fc } from '../../support/properties.js';
import { toMilliseconds } from '../../../lib/task/duration.js';

const NO_NUMBERS = [-1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const NO_TEXTS = [
  ...' |5|s|-5s|+5s|.5s|5.s|5 s| 5s|5s |5S|5w|5y|5sec|1e3ms|0x10ms|5s5s'.split('|'),
  `${'9'.repeat(200)}s`,
  '',
];
const NO_TYPES = [null, undefined, true, 5n, Symbol('5s'), {}, [5], new Date(5), () => 5];

describe('a duration', () => {
  it.each<[unknown, number]>([
    [0, 0],
    [1500, 1500],
    [0.25, 0.25],
    ['0ms', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['1.5s', 1500],
  ])('%p is %d ms', (duration, milliseconds) => {
    expect(toMilliseconds(duration)).toBe(milliseconds);
  });

  it.each([...NO_NUMBERS, ...NO_TEXTS, ...NO_TYPES])('%p is none', (value) => {
    expect(toMilliseconds(value)).toBeUndefined();
  });

  it('with a unit is that number of it', () => {
    const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
    const anyUnit = fc.constantFrom<(keyof typeof units)[]>('ms', 's', 'm', 'h', 'd');
    fc.assert(
      fc.property(fc.nat(), anyUnit, (count, unit) => {
        expect(toMilliseconds(`${count}${unit}`)).toBe(count * units[unit]);
      }),
    );
  });

  it('is finite and not negative, or none at all, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double().map(String)), (text) => {
        const milliseconds = toMilliseconds(text) ?? 0;
        expect(Number.isFinite(milliseconds) && milliseconds >= 0).toBe(true);
      }),
    );
  });
});
