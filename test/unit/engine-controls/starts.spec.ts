import { describe, expect, it } from '@jest/globals';
import type { QueueOptions } from '../../../lib/index.js';
import { createApp } from '../support/app.js';
import { Probe } from '../support/probe.js';

async function createLimited(queue: QueueOptions) {
  const app = await createApp({}, { queues: { default: queue, other: {} } });
  return { ...app, probe: new Probe(app.clock) };
}

describe('concurrency', () => {
  it('is ten unless the queue says otherwise', async () => {
    const { clock, runner, probe } = await createLimited({});
    for (let index = 0; index < 30; index += 1) {
      runner.addTask(probe.body(`${index}`, 10));
    }
    await clock.advance(100);
    expect([probe.begun.length, probe.most]).toEqual([30, 10]);
  });
});

describe('rateLimit', () => {
  it('counts attempts, the later ones too', async () => {
    const { clock, runner, probe } = await createLimited({
      rateLimit: { max: 1, per: 100 },
      retry: { attempts: 3, delay: 10, jitter: 'none', backoff: 'fixed' },
    });
    runner.addTask(probe.body('fails', 0, new Error('no')));
    runner.addTask(probe.body('second'));
    await clock.advance(1_000);
    expect(probe.begun).toEqual(['fails', 'second', 'fails', 'fails']);
    expect(probe.begunAt).toEqual([0, 100, 200, 300]);
  });

  it('lets a higher priority go first among those it holds up', async () => {
    const { clock, runner, probe } = await createLimited({ rateLimit: { max: 1, per: 100 } });
    runner.addTask(probe.body('first'));
    runner.addTask(probe.body('normal'));
    await clock.advance(50);
    runner.addTask({ priority: 'high' }, probe.body('high'));
    await clock.advance(1_000);
    expect(probe.begun).toEqual(['first', 'high', 'normal']);
  });

  it('is not used up by a task that waits for its key', async () => {
    const { clock, runner, probe } = await createLimited({ rateLimit: { max: 2, per: 1_000 } });
    runner.addTask({ concurrencyKey: 'k' }, probe.body('k1', 50));
    runner.addTask({ concurrencyKey: 'k' }, probe.body('k2'));
    runner.addTask(probe.body('free'));
    await clock.settle();
    expect(probe.begun).toEqual(['k1', 'free']);
  });

  it('has one timer at most, however many wait', async () => {
    const { clock, runner, probe } = await createLimited({ rateLimit: { max: 1, per: 1_000 } });
    for (let index = 0; index < 100; index += 1) {
      runner.addTask(probe.body(`${index}`));
      await clock.settle();
    }
    expect(probe.begun).toEqual(['0']);
    expect(clock.pendingTimers).toBe(1);
  });
});

describe('concurrencyKey', () => {
  it('keeps one tenant from taking all slots', async () => {
    const { clock, runner, probe } = await createLimited({ concurrency: 3 });
    const tenant = (name: string, index: number) => {
      runner.addTask({ concurrencyKey: name }, probe.body(`${name}${index}`, 10));
    };
    [1, 2, 3, 4].forEach((index) => tenant('a', index));
    [1, 2].forEach((index) => tenant('b', index));
    runner.addTask(probe.body('free', 10));
    await clock.settle();
    expect(probe.begun).toEqual(['a1', 'b1', 'free']);
    await clock.advance(1_000);
    expect(probe.begun).toEqual(['a1', 'b1', 'free', 'a2', 'b2', 'a3', 'a4']);
  });

  it('may be computed from the arguments', async () => {
    const { clock, runner } = await createLimited({});
    const begun: string[] = [];
    const send = (tenant: string, text: string): Promise<void> => {
      begun.push(`${tenant} ${text}`);
      return clock.sleep(10);
    };
    const options = { concurrencyKey: (tenant: string) => tenant };
    runner.addTask(options, send, 'acme', '1');
    runner.addTask(options, send, 'acme', '2');
    runner.addTask(options, send, 'umbrella', '1');
    await clock.settle();
    expect(begun).toEqual(['acme 1', 'umbrella 1']);
    await clock.advance(10);
    expect(begun).toEqual(['acme 1', 'umbrella 1', 'acme 2']);
  });

  it('lets the higher priority of a key go first', async () => {
    const { clock, runner, probe } = await createLimited({});
    const add = (priority: 'high' | 'low' | 'normal', name: string) =>
      runner.addTask({ concurrencyKey: 'k', priority }, probe.body(name, 10));
    add('normal', 'running');
    await clock.settle();
    add('low', 'low');
    add('normal', 'normal');
    add('high', 'high');
    await clock.advance(1_000);
    expect(probe.begun).toEqual(['running', 'high', 'normal', 'low']);
  });

  it('is free again where the body ignores its timeout', async () => {
    const { clock, runner, probe } = await createLimited({ timeout: 20 });
    runner.addTask({ concurrencyKey: 'k' }, () => new Promise(() => undefined));
    runner.addTask({ concurrencyKey: 'k' }, probe.body('next'));
    await clock.advance(20);
    expect(probe.begun).toEqual(['next']);
  });
});

describe('priority', () => {
  it('of a lane that was empty has no claim left over from then', async () => {
    const { clock, runner, probe } = await createLimited({ concurrency: 1 });
    for (let index = 0; index < 50; index += 1) {
      runner.addTask({ priority: 'high' }, probe.body('high', 1));
    }
    await clock.advance(30);
    runner.addTask({ priority: 'low' }, probe.body('low', 1));
    await clock.advance(100);
    // The thirty-first runs as the low one is added; ten more go before it.
    expect(probe.begun.indexOf('low')).toBe(41);
  });
});

describe('a delayed task', () => {
  it('of a request counts its delay from the release', async () => {
    const { clock, handle, probe } = await createLimited({ concurrency: 1 });
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

  it('has no delay again before its later attempts', async () => {
    const { clock, runner, probe } = await createLimited({ concurrency: 1 });
    const retry = { attempts: 2, delay: 10, jitter: 'none' } as const;
    runner.addTask({ delay: 1_000, retry }, probe.body('fails', 0, new Error('no')));
    await clock.advance(10_000);
    expect(probe.begunAt).toEqual([1_000, 1_010]);
  });
});
