import { describe, expect, it } from '@jest/globals';
import { createKit } from '../support/kit.js';

describe('the event loop', () => {
  it('gets a turn every few milliseconds while tasks block it', async () => {
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

  it('is shared by the queues: a busy queue does not keep others from starting', async () => {
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
