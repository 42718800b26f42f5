import { describe, expect, it } from '@jest/globals';
import { Slice } from '../../../lib/engine/memory/slice.js';
import { FakeClock } from '../support/fake-clock.js';
import { createKit } from '../support/kit.js';

describe('the event loop', () => {
  it('gets its turn again and again while tasks that block it drain', async () => {
    const { clock, runner } = createKit();
    const perTurn = new Map<number, number>();
    for (let index = 0; index < 100; index++) {
      runner.addTask(() => {
        perTurn.set(clock.turns, (perTurn.get(clock.turns) ?? 0) + 1);
        clock.block(1);
      });
    }
    await clock.advance(1e6);
    const counts = [...perTurn.values()];
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(100);
    expect(Math.max(...counts)).toBeLessThanOrEqual(5);
  });

  it('is shared by the queues: a busy one does not keep the others from starting', async () => {
    const { clock, runner } = createKit({ queues: { busy: {}, quiet: {} } });
    const order: string[] = [];
    const add = (queue: string): void =>
      void runner.addTask({ queue }, () => {
        order.push(queue);
        clock.block(3);
      });
    Array.from({ length: 50 }, () => add('busy'));
    add('quiet');
    add('quiet');
    await clock.advance(1e6);
    expect(order).toHaveLength(52);
    // Three queues take turns: the second quiet task comes among the first few.
    expect(order.lastIndexOf('quiet')).toBeLessThan(8);
  });
});

/** Work for so many units, each of which blocks for so long. */
class Work {
  readonly startedInTurn: number[] = [];

  constructor(
    private readonly slice: Slice,
    private readonly clock: FakeClock,
    private units: number,
    private readonly unitMs: number,
  ) {}

  pump(): void {
    while (this.units > 0) {
      if (!this.slice.hasTime()) {
        return this.slice.request(this);
      }
      this.units -= 1;
      this.startedInTurn.push(this.clock.turns);
      this.clock.block(this.unitMs);
    }
  }
}

function createSlice() {
  const clock = new FakeClock(0);
  const slice = new Slice(clock);
  slice.open();
  return {
    clock,
    slice,
    work: (units: number, unitMs: number) => {
      const work = new Work(slice, clock, units, unitMs);
      slice.request(work);
      return work;
    },
  };
}

describe('a slice of the event loop', () => {
  it('begins in the next turn, not where it is asked for', async () => {
    const { clock, work } = createSlice();
    const { startedInTurn } = work(1, 0);
    expect(startedInTurn).toEqual([]);
    await clock.settle();
    expect(startedInTurn).toEqual([1]);
  });

  it('is shared: whoever got no time comes first in the next one', async () => {
    const { clock, work } = createSlice();
    const busy = work(1_000, 1);
    const quiet = work(1, 1);
    const other = work(1, 1);
    await clock.settle();
    expect(quiet.startedInTurn[0]).toBeLessThanOrEqual(2);
    expect(other.startedInTurn[0]).toBeLessThanOrEqual(3);
    expect(busy.startedInTurn).toHaveLength(1_000);
  });

  it('keeps what is asked for until it is open, and gives no time when it is closed', async () => {
    const clock = new FakeClock(0);
    const slice = new Slice(clock);
    const work = new Work(slice, clock, 1, 0);
    slice.request(work);
    await clock.settle();
    expect([work.startedInTurn, slice.hasTime()]).toEqual([[], false]);
    slice.open();
    slice.open();
    await clock.settle();
    expect(work.startedInTurn).toHaveLength(1);
    slice.close();
    expect(slice.hasTime()).toBe(false);
    slice.request(new Work(slice, clock, 1, 0));
    await clock.settle();
    expect([work.startedInTurn.length, slice.hasTime()]).toEqual([1, false]);
  });
});
