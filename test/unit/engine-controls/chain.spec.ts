import { describe, expect, it } from '@jest/globals';
import type { BackgroundTasksOptions, QueueOptions, TaskHandle } from '../../../lib/index.js';
import { createApp } from '../support/app.js';
import { Probe, inTurn } from '../support/probe.js';

async function createChaining(options: BackgroundTasksOptions = {}) {
  const app = await createApp({}, options);
  return { ...app, probe: new Probe(app.clock) };
}

describe('a chain of the TaskRunner', () => {
  it('keeps the order whatever the queues and priorities of its tasks', async () => {
    const { clock, runner, probe } = await createChaining({ queues: { other: {} } });
    const chain = runner.chain();
    chain.addTask({ priority: 'low' }, probe.body('1', 10));
    chain.addTask({ queue: 'other' }, probe.body('2', 10));
    chain.addTask({ priority: 'high' }, probe.body('3', 10));
    await clock.advance(100);
    expect(probe.log).toEqual(inTurn('1', '2', '3'));
  });

  it('waits for the delay of a task when its turn has come', async () => {
    const { clock, runner, probe } = await createChaining();
    const chain = runner.chain();
    chain.addTask(probe.body('1', 10));
    chain.addTask({ delay: 100 }, probe.body('2'));
    chain.addTask(probe.body('3'));
    await clock.advance(1_000);
    expect(probe.begunAt).toEqual([0, 110, 110]);
  });
});

describe('a chain in a request', () => {
  it('keeps the place of each of its tasks among the others of the request', async () => {
    const { clock, handle, probe } = await createChaining();
    await handle((tasks) => {
      const chain = tasks.chain();
      chain.addTask(probe.body('a1', 10));
      tasks.addTask(probe.body('x', 10));
      chain.addTask(probe.body('a2', 10));
      tasks.addTask(probe.body('y', 10));
    });
    await clock.advance(100);
    expect(probe.log).toEqual(inTurn('a1', 'x', 'a2', 'y'));
  });
});

describe("a chain under order: 'concurrent'", () => {
  it('is strict in itself, and starts together with everything else', async () => {
    const { clock, handle, probe } = await createChaining({ request: { order: 'concurrent' } });
    await handle((tasks) => {
      const [one, other] = [tasks.chain(), tasks.chain()];
      one.addTask(probe.body('a1', 10));
      tasks.addTask(probe.body('x', 5));
      other.addTask(probe.body('b1', 15));
      one.addTask(probe.body('a2', 10));
      other.addTask(probe.body('b2', 10));
    });
    await clock.advance(100);
    expect(probe.log.join(', ')).toBe(
      'a1 begins, x begins, b1 begins, x ends, a1 ends, a2 begins, b1 ends, b2 begins, a2 ends, b2 ends',
    );
  });
});

describe('a chain of 10,000 tasks', () => {
  const LONG = 10_000;
  const unlimited = { queues: { default: { maxPending: Infinity } }, remember: LONG };

  it.each<[string, (handles: readonly TaskHandle[]) => unknown]>([
    ['a failure at its head', () => undefined],
    ['a cancellation at its head', (handles) => handles[0].cancel()],
  ])('is dropped whole by %s', async (_, end) => {
    const { clock, runner } = await createChaining(unlimited);
    await runner.pause();
    const chain = runner.chain();
    const handles = [chain.addTask(() => Promise.reject(new Error('no')))];
    for (let index = 1; index < LONG; index += 1) {
      handles.push(chain.addTask(() => undefined));
    }
    await end(handles);
    await runner.resume();
    await clock.settle();
    expect(handles.filter(({ status }) => status === 'dropped')).toHaveLength(LONG - 1);
  });
});

async function createLimited(queue: QueueOptions) {
  const app = await createApp({}, { queues: { default: queue, other: {} } });
  return { ...app, probe: new Probe(app.clock) };
}

describe('rateLimit', () => {
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
});
