import { describe, expect, it } from '@jest/globals';
import { type BackgroundTasksOptions, type TaskHandle } from '../../../lib/index.js';
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
