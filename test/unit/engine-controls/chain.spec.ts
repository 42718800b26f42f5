import { describe, expect, it } from '@jest/globals';
import type { BackgroundTasksOptions, QueueOptions, TaskHandle } from '../../../lib/index.js';
import { createApp } from '../support/app.js';
import { Probe } from '../support/probe.js';

async function createChaining(options: BackgroundTasksOptions = {}) {
  const app = await createApp({}, options);
  return { ...app, probe: new Probe(app.clock) };
}

const statuses = (handles: readonly TaskHandle[]) => handles.map(({ status }) => status);

const oneAfterTheOther = (...names: string[]) =>
  names.flatMap((name) => [`${name} begins`, `${name} ends`]);

describe('a chain of the TaskRunner', () => {
  it('keeps the order whatever the queues and priorities of its tasks', async () => {
    const { clock, runner, probe } = await createChaining({ queues: { other: {} } });
    const chain = runner.chain();
    chain.addTask({ priority: 'low' }, probe.body('1', 10));
    chain.addTask({ queue: 'other' }, probe.body('2', 10));
    chain.addTask({ priority: 'high' }, probe.body('3', 10));
    await clock.advance(100);
    expect(probe.log).toEqual(oneAfterTheOther('1', '2', '3'));
  });

  it('holds up nobody else, and no other chain', async () => {
    const { clock, runner, probe } = await createChaining();
    const [one, other] = [runner.chain(), runner.chain()];
    one.addTask(probe.body('a1', 10));
    other.addTask(probe.body('b1', 15));
    one.addTask(probe.body('a2', 10));
    other.addTask(probe.body('b2', 10));
    runner.addTask(probe.body('free', 1));
    await clock.advance(100);
    expect(probe.log).toEqual([
      'a1 begins',
      'b1 begins',
      'free begins',
      'free ends',
      'a1 ends',
      'a2 begins',
      'b1 ends',
      'b2 begins',
      'a2 ends',
      'b2 ends',
    ]);
  });

  it('does without the rest where a full queue drops one that others need', async () => {
    const { clock, runner, probe } = await createChaining({
      queues: { small: { concurrency: 1, maxPending: 1, overflow: 'drop-oldest' }, other: {} },
    });
    runner.addTask({ queue: 'small' }, probe.body('running', 10));
    await clock.advance(1);
    const chain = runner.chain();
    const needed = chain.addTask({ queue: 'small' }, probe.body('needed', 10));
    const rest = chain.addTask({ queue: 'other' }, probe.body('rest', 10));
    runner.addTask({ queue: 'small' }, probe.body('newer', 10));
    await clock.advance(100);
    expect(await needed.whenSettled()).toEqual({ status: 'dropped', reason: 'overflow' });
    expect(await rest.whenSettled()).toEqual({ status: 'dropped', reason: 'predecessor-failed' });
    expect(probe.log).toEqual(oneAfterTheOther('running', 'newer'));
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

  it('drops what is added to it after that', async () => {
    const { clock, runner, probe } = await createChaining();
    const chain = runner.chain();
    chain.addTask(probe.body('1', 0, new Error('no')));
    await clock.settle();
    const handles = ['2', '3'].map((name) => chain.addTask(probe.body(name)));
    expect(statuses(handles)).toEqual(['dropped', 'dropped']);
    expect(await handles[0].whenSettled()).toEqual({
      status: 'dropped',
      reason: 'predecessor-failed',
    });
    await clock.settle();
    expect(probe.begun).toEqual(['1']);
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
    expect(probe.log).toEqual(oneAfterTheOther('a1', 'x', 'a2', 'y'));
  });

  it('goes on after the handler has ended: behind what stands in line by then', async () => {
    const { clock, handle, probe } = await createChaining();
    const { chain } = await handle((tasks) => {
      const begun = tasks.chain();
      begun.addTask(probe.body('a1', 10));
      tasks.addTask(probe.body('x', 10));
      return { chain: begun };
    });
    await clock.advance(5);
    chain.addTask(probe.body('a2', 10));
    chain.addTask(probe.body('a3', 10));
    await clock.advance(100);
    expect(probe.log).toEqual(oneAfterTheOther('a1', 'x', 'a2', 'a3'));
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
    expect(probe.log).toEqual([
      'a1 begins',
      'x begins',
      'b1 begins',
      'x ends',
      'a1 ends',
      'a2 begins',
      'b1 ends',
      'b2 begins',
      'a2 ends',
      'b2 ends',
    ]);
  });
});

describe('a chain of 10,000 tasks', () => {
  const LONG = 10_000;
  const unlimited = { queues: { default: { maxPending: Infinity } }, remember: LONG };

  it('of the TaskRunner runs through, bodies that end at once included', async () => {
    const { clock, runner } = await createChaining(unlimited);
    const chain = runner.chain();
    const ran: number[] = [];
    for (let index = 0; index < LONG; index += 1) {
      chain.addTask(() => void ran.push(index));
    }
    await clock.settle();
    expect(ran).toEqual(Array.from({ length: LONG }, (_, index) => index));
  });

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
