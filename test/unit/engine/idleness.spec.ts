import { describe, expect, it } from '@jest/globals';
import { Idleness } from '../../../lib/engine/memory/idleness.js';
import { resolutionOf } from '../support/resolution.js';

/** Lets promises be heard that have resolved by now. */
const heard = () => new Promise((resolve) => void setImmediate(resolve));

describe('whoever waits for there to be nothing left to do', () => {
  it('need not wait where there is nothing', async () => {
    await expect(new Idleness().when(() => true)).resolves.toBeUndefined();
  });

  it('is told when something has ended and nothing is left, and not before', async () => {
    const idleness = new Idleness();
    let left = 2;
    const idle = resolutionOf(idleness.when(() => left === 0));
    for (const isThere of [false, true]) {
      left -= 1;
      await heard();
      expect(idle.isThere).toBe(false);
      idleness.check();
      await heard();
      expect(idle.isThere).toBe(isThere);
    }
  });

  it('is asked no more once it has been told, whatever the others wait for', async () => {
    const idleness = new Idleness();
    const over = { early: false, late: false };
    let asked = 0;
    const early = resolutionOf(
      idleness.when(() => {
        asked += 1;
        return over.early;
      }),
    );
    const late = resolutionOf(idleness.when(() => over.late));
    over.early = true;
    idleness.check();
    await heard();
    expect([early.isThere, late.isThere]).toEqual([true, false]);
    const askedBefore = asked;
    over.late = true;
    idleness.check();
    await heard();
    expect([late.isThere, asked]).toEqual([true, askedBefore]);
  });
});
