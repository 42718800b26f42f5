import { describe, expect, it } from '@jest/globals';
import { excerptOf, excerptOfText } from '../../../lib/board/excerpt.js';

function named(): void {}

const nested = (depth: number): unknown => (depth === 0 ? 'deep' : { in: nested(depth - 1) });

/** How long the text is that a page would get. */
const lengthOf = (value: unknown): number => JSON.stringify(excerptOf(value)).length;

describe('what the board shows of a value', () => {
  it.each<[unknown, unknown]>([
    ['text', 'text'],
    [42, 42],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
    [true, true],
    [null, null],
    [undefined, '(undefined)'],
    [12n, '12n'],
    [Symbol('s'), 'Symbol(s)'],
    [named, '(function named)'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [new Date(Number.NaN), 'Invalid Date'],
    [new TypeError('no'), 'TypeError: no'],
    [new Uint8Array(3), '(Uint8Array of 3 bytes)'],
    [new Set([1, 'a']), { '(Set)': [1, 'a'] }],
    [new Map([['key', { a: 1 }]]), { '(Map)': [['key', { a: 1 }]] }],
    [
      [1, [2]],
      [1, [2]],
    ],
    [{ a: { b: 'c' } }, { a: { b: 'c' } }],
    [Object.create({ inherited: true }), {}],
  ])('is plain JSON of %p', (value, shown) => {
    expect(excerptOf(value)).toEqual(shown);
  });

  it('ends at a depth', () => {
    expect(JSON.stringify(excerptOf(nested(6)))).toContain('deep');
    expect(JSON.stringify(excerptOf(nested(7)))).not.toContain('deep');
    expect(JSON.stringify(excerptOf(nested(7)))).toContain('(…)');
  });

  it('O21: shows a circle once, and twice what stands there twice', () => {
    const circle: Record<string, unknown> = { map: new Map<string, unknown>() };
    circle['self'] = circle;
    (circle['map'] as Map<string, unknown>).set('back', circle);
    expect(excerptOf([circle, circle])).toEqual(
      [1, 2].map(() => ({ map: { '(Map)': [['back', '(a circle)']] }, self: '(a circle)' })),
    );
  });

  it('costs the same of a large value as of a small one', () => {
    const many = Array.from({ length: 10_000 }, (_, index) => index);
    const entries = Object.fromEntries(many.map((index) => [`key${index}`, index]));
    expect(lengthOf(many)).toBeLessThan(5_000);
    expect(lengthOf(entries)).toBeLessThan(15_000);
    expect(lengthOf('x'.repeat(1_000_000))).toBeLessThan(21_000);
    expect(lengthOf(many.map(() => 'x'.repeat(1_000)))).toBeLessThan(50_000);
  });

  it('says how much it leaves out', () => {
    const shown = excerptOf(Array.from({ length: 1_000 }, () => 0)) as unknown[];
    expect(shown.at(-1)).toBe(`(… ${1_000 - shown.length + 1} more)`);
    const entries = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [index, 0]));
    expect(excerptOf(entries)).toMatchObject({ '(…)': 'more' });
  });

  it('shows the rest of a value with a part that cannot be looked at', () => {
    const hostile = {
      get broken(): never {
        throw new Error('do not look');
      },
      proxy: new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error('nor here');
          },
        },
      ),
      fine: 1,
    };
    expect(excerptOf(hostile)).toEqual({
      broken: '(a getter that throws)',
      proxy: '(a value that cannot be shown)',
      fine: 1,
    });
  });
});

describe('what the board shows of a text', () => {
  it('is all of a short one', () => {
    expect(excerptOfText('short', 5)).toBe('short');
  });

  it('is the beginning of a long one, and how long it is', () => {
    expect(excerptOfText('longer', 4)).toBe('long… (2 more characters)');
  });
});
