import { describe, expect, it } from '@jest/globals';
import { byTime, LogLines } from '../../../lib/task/log-lines.js';

describe('log lines that arrive in any order', () => {
  it('are sorted by their times, and those of one time stay as they are', () => {
    const lines = new LogLines();
    const [second, third, alsoSecond, first] = [
      lines.add('z', 2_000),
      lines.add('a', 3_000),
      lines.add('a', 2_000),
      lines.add('b', 1_000),
    ];
    expect(lines.all.toSorted(byTime)).toStrictEqual([first, second, alsoSecond, third]);
  });
});
