import { describe, expect, it } from '@jest/globals';
import { createApp } from '../support/app.js';
import { Probe } from '../support/probe.js';

const ONE_AT_A_TIME = { queues: { default: { concurrency: 1 } } };

async function createDelayed() {
  const app = await createApp({}, ONE_AT_A_TIME);
  return { ...app, probe: new Probe(app.clock) };
}

describe('a delayed task', () => {
  it('starts when its delay has passed, and not before', async () => {
    const { clock, runner, probe } = await createDelayed();
    const handle = runner.addTask({ delay: '1s' }, probe.body('delayed'));
    expect(handle.status).toBe('delayed');
    await clock.advance(999);
    expect([probe.begun, handle.status]).toEqual([[], 'delayed']);
    await clock.advance(1);
    expect([probe.begun, handle.status]).toEqual([['delayed'], 'completed']);
  });

  it('starts at once with a delay of nothing', async () => {
    const { clock, runner } = await createDelayed();
    const handle = runner.addTask({ delay: 0 }, () => undefined);
    expect(handle.status).toBe('queued');
    await clock.settle();
    expect(handle.status).toBe('completed');
  });

  it('starts after a delay longer than a timer of Node.js can be', async () => {
    const { clock, runner, probe } = await createDelayed();
    runner.addTask({ delay: '40d' }, probe.body('delayed'));
    await clock.advance(40 * 86_400_000 - 1);
    expect(probe.begun).toEqual([]);
    await clock.advance(1);
    expect(probe.begun).toEqual(['delayed']);
  });

  it('P8: holds no slot while it waits', async () => {
    const { clock, runner, probe } = await createDelayed();
    runner.addTask({ delay: 100 }, probe.body('delayed'));
    runner.addTask(probe.body('other'));
    await clock.settle();
    expect(probe.begun).toEqual(['other']);
  });

  it('waits for its turn in the queue when its delay is over', async () => {
    const { clock, runner, probe } = await createDelayed();
    runner.addTask({ delay: 5 }, probe.body('delayed'));
    runner.addTask(probe.body('1', 10));
    runner.addTask(probe.body('2', 10));
    await clock.advance(7);
    runner.addTask({ priority: 'high' }, probe.body('high', 10));
    await clock.advance(100);
    expect(probe.begun).toEqual(['1', 'high', '2', 'delayed']);
  });

  it('starts in the order of the times, then of the adding', async () => {
    const { clock, runner, probe } = await createDelayed();
    const delays = [30, 10, 20, 10, 30, 20];
    delays.forEach((delay, index) => runner.addTask({ delay }, probe.body(`${delay} ${index}`)));
    await clock.advance(100);
    expect(probe.begun).toEqual(['10 1', '10 3', '20 2', '20 5', '30 0', '30 4']);
  });

  it('P9: shares one timer with all others', async () => {
    const { clock, runner, probe } = await createDelayed();
    for (let index = 1; index <= 1_000; index += 1) {
      runner.addTask({ delay: index }, probe.body(`${index}`));
    }
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(1_000);
    expect([probe.begun.length, clock.pendingTimers]).toEqual([1_000, 0]);
  });

  it('of a request counts its delay from the release', async () => {
    const { clock, handle, probe } = await createDelayed();
    const request = handle(async (tasks) => {
      const added = tasks.addTask({ delay: 100 }, probe.body('delayed'));
      await clock.sleep(80);
      expect(added.status).toBe('collected');
    });
    await clock.advance(80);
    await request;
    await clock.advance(99);
    expect(probe.begun).toEqual([]);
    await clock.advance(1);
    expect(probe.begunAt).toEqual([180]);
  });

  it('becomes due while its queue is paused, and starts once that is resumed', async () => {
    const { clock, runner, probe } = await createDelayed();
    const handle = runner.addTask({ delay: 10 }, probe.body('delayed'));
    await runner.pause();
    await clock.advance(100);
    expect([probe.begun, handle.status]).toEqual([[], 'queued']);
    await runner.resume();
    await clock.settle();
    expect(probe.begun).toEqual(['delayed']);
  });

  it('has no delay again before its later attempts', async () => {
    const { clock, runner, probe } = await createDelayed();
    const retry = { attempts: 2, delay: 10, jitter: 'none' } as const;
    runner.addTask({ delay: 1_000, retry }, probe.body('fails', 0, new Error('no')));
    await clock.advance(10_000);
    expect(probe.begunAt).toEqual([1_000, 1_010]);
  });
});
