import { describe, expect, it } from '@jest/globals';
import { printable, printableStack } from '../../../lib/observe/printable.js';

describe('a text in the log', () => {
  it.each([
    ['plain text, also ümläuts and 漢字', 'plain text, also ümläuts and 漢字'],
    ['two\nlines\r\n', 'two\\nlines\\r\\n'],
    ['a\ttab', 'a\\ttab'],
    ['\u001b[2Jcleared', '\\x1b[2Jcleared'],
    ['a\u007fb\u0085c', 'a\\x7fb\\x85c'],
    ['a\u2028b', 'a\\u2028b'],
    ['turned \u202e around', 'turned \\u202e around'],
  ])('of %j is %s', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it('ends after 2,000 characters, and says how many follow', () => {
    expect(printable('x'.repeat(2_000))).toBe('x'.repeat(2_000));
    expect(printable('x'.repeat(2_003))).toBe(`${'x'.repeat(2_000)}… (3 more characters)`);
  });
});

describe('a stack in the log', () => {
  it('has a line for the error and one for each frame', () => {
    const stack = 'Error: first\nsecond\n    at one (a.js:1:1)\n    at two (b.js:2:2)';
    expect(printableStack(stack)).toBe(
      'Error: first\\nsecond\n    at one (a.js:1:1)\n    at two (b.js:2:2)',
    );
  });

  it('is one line where it has no frames', () => {
    expect(printableStack('Error: alone\nand more')).toBe('Error: alone\\nand more');
  });
});
