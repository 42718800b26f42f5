import { beforeEach, describe, expect, it } from '@jest/globals';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { PendingLimits } from '../../../lib/engine/bullmq/commit/pending-limits.js';
import { QueueFullError } from '../../../lib/errors/queue-full.error.js';
import type { QueueLimits } from '../../../lib/engine/engine.js';
import { Deferred } from '../support/deferred.js';
import { FakeClock } from '../support/fake-clock.js';

const LIMITS: QueueLimits = {
  name: 'mail',
  concurrency: 1,
  concurrencyPerKey: 1,
  rateLimit: undefined,
  maxPending: 4,
  overflow: 'reject',
};

describe('maxPending of a queue that processes share', () => {
  let clock: FakeClock;
  let stored: number;
  let asked: number;
  let limits: PendingLimits;
  let store: () => Promise<number>;

  beforeEach(() => {
    clock = new FakeClock();
    stored = 0;
    asked = 0;
    store = () => Promise.resolve(stored);
    limits = new PendingLimits([LIMITS], clock, () => {
      asked += 1;
      return store();
    });
  });

  /** @returns how many of so many were admitted */
  function admit(times: number): number {
    return Array.from({ length: times }, () => wasAdmitted()).filter(Boolean).length;
  }

  function wasAdmitted(): boolean {
    try {
      limits.admit('mail');
      return true;
    } catch (error) {
      if (error instanceof QueueFullError) {
        return false;
      }
      throw error;
    }
  }

  it('P12: admits no more than that in one burst', () => {
    expect(admit(10)).toBe(4);
  });

  it('does not advise what it does not have: dropping another task', () => {
    admit(4);
    expect(() => limits.admit('mail')).toThrow(
      'Queue "mail" is full: 4 tasks are pending. Try again later, or raise its maxPending.',
    );
  });

  it('counts what other processes have added', async () => {
    stored = 2;
    expect(admit(1)).toBe(1); // the first one asks
    await turnOfTheLoop();
    stored = 3; // ours has arrived
    expect(admit(10)).toBe(1);
    await turnOfTheLoop();
    expect(admit(10)).toBe(0);
  });

  it('admits again at once when the store has less, though it was full a moment ago', async () => {
    expect(admit(10)).toBe(4);
    for (let index = 0; index < 4; index += 1) {
      limits.stored('mail');
    }
    await turnOfTheLoop();
    stored = 0;
    admit(1);
    await turnOfTheLoop();
    expect(admit(10)).toBeGreaterThan(0);
  });

  it('refuses nobody because of a count that is a second old', async () => {
    stored = 4;
    admit(1);
    await turnOfTheLoop();
    expect(admit(1)).toBe(0);
    stored = 0;
    await clock.advance(1_000);
    expect(admit(1)).toBe(1);
  });

  it('P12: refuses as long as the store is full, however seldom somebody adds', async () => {
    stored = 4;
    admit(1);
    await turnOfTheLoop();
    for (let minute = 0; minute < 3; minute += 1) {
      await clock.advance(60_000);
      expect(admit(1)).toBe(0);
    }
  });

  it('asks no more once it is closed', async () => {
    stored = 4;
    admit(1);
    await turnOfTheLoop();
    limits.close();
    asked = 0;
    await clock.advance(60_000);
    expect(asked).toBe(0);
  });

  it('asks once for many, and no more than that while there is room', async () => {
    await turnOfTheLoop();
    admit(1);
    await turnOfTheLoop();
    expect(asked).toBe(1);
    admit(1);
    expect(asked).toBe(1);
  });

  it('gives back the place of a task that is not stored', () => {
    expect(admit(4)).toBe(4);
    limits.takeBack('mail');
    expect(admit(2)).toBe(1);
  });

  it('P12: counts what is collected until it is stored, however long that takes', async () => {
    expect(admit(4)).toBe(4);
    await clock.advance(60_000);
    expect(admit(1)).toBe(0);
  });

  it('counts what was stored until the store counts it itself', async () => {
    const [first, second] = [new Deferred<number>(), new Deferred<number>()];
    store = () => (asked === 1 ? first : second).promise;
    expect(admit(3)).toBe(3); // the first one asks
    limits.stored('mail');
    first.resolve(0); // it was not there yet
    await turnOfTheLoop();
    expect(admit(2)).toBe(1);
    second.resolve(1);
    await turnOfTheLoop();
    expect(admit(1)).toBe(0);
  });

  it('gives back a place once, also where the store was asked meanwhile', async () => {
    admit(2);
    await clock.advance(1_500);
    admit(2); // asks: the store has none of them
    await clock.settle();
    limits.takeBack('mail');
    limits.takeBack('mail');
    expect(admit(10)).toBe(2);
  });

  it('admits what it can count itself while the store does not answer', async () => {
    store = () => Promise.reject(new Error('down'));
    expect(admit(10)).toBe(4);
    await turnOfTheLoop();
    limits.takeBack('mail');
    expect(admit(10)).toBe(1);
  });
});
