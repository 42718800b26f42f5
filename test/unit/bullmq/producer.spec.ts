import { describe, expect, it } from '@jest/globals';
import type { CollectedTasks } from '../../../lib/engine/bullmq/commit/collected-tasks.js';
import { Producer } from '../../../lib/engine/bullmq/commit/producer.js';
import { JobStore } from '../../../lib/engine/bullmq/store/job-store.js';
import { RecentTasks } from '../../../lib/engine/bullmq/view/own-handles.js';
import { StoreUnavailableError } from '../../../lib/errors/storage.errors.js';
import type { Worker } from '../../../lib/engine/engine.js';
import { Patience } from '../../../lib/engine/patience.js';
import type { Task } from '../../../lib/task/task.js';
import { FakeClock } from '../support/fake-clock.js';
import { LogBook } from '../../support/log-book.js';
import { NOBODY, bareTask } from '../support/tasks.js';

const HOLD_MS = 30_000;

const accept = (id: string): Promise<string> => Promise.resolve(id);

type Answer = (wasThere: boolean) => number;

/** A producer on a store that says what was asked of it, in milliseconds from when. */
function createProducer(answer: Answer = () => 1) {
  const clock = new FakeClock(0);
  const logger = new LogBook();
  const asked: string[] = [];
  const stored = new Set<string>();
  let isUp = true;
  const told: string[] = [];
  let add = accept;
  const ask = (what: string): Promise<void> => {
    if (!isUp) {
      return Promise.reject(new Error('Connection is closed.'));
    }
    asked.push(what);
    return Promise.resolve();
  };
  const backend = {
    addJob: (_data: unknown, id: string) => add(id),
    changeDelay: (id: string, delayMs: number) => ask(`${id} in ${delayMs}`),
    promote: (id: string) => ask(`${id} now`),
  };
  const store = Object.assign(Object.create(JobStore.prototype) as object, {
    clock,
    logger,
    patience: new Patience(clock, 2_000),
    label: 'The store',
    ready: () => (isUp ? Promise.resolve() : Promise.reject(new Error('down'))),
    queue: () => ({
      name: 'default',
      opts: {},
      backend,
      toKey: (key: string) => key,
      remove: (id: string) => ask(`${id} never`).then(() => answer(stored.delete(id))),
    }),
  }) as unknown as JobStore;
  const collected = { takeOut: () => undefined, stored: () => undefined };
  const worker = {
    announce: ({ name }: Task, { kind }: { kind: string }) => void told.push(`${name} ${kind}`),
  };
  const producer = new Producer(
    store,
    collected as unknown as CollectedTasks,
    worker as unknown as Worker,
    HOLD_MS,
  );
  return {
    producer,
    clock,
    asked,
    stored,
    logger,
    told,
    setUp: (up: boolean) => {
      isUp = up;
    },
    addBy: (adding: typeof add) => {
      add = adding;
    },
  };
}

/** As it is when it was written down: its id is its name. */
function taskOf(name: string, delay = 0): Task {
  const task = bareTask(name, { ...NOBODY, mintId: () => name }, { options: { delay } });
  task.stored = { args: '[]', options: undefined, carried: undefined };
  return task;
}

describe('P1: a stored task whose response is still open', () => {
  it('is held for as long as the response is open', async () => {
    const { producer, clock, asked } = createProducer();
    const task = taskOf('a');
    await producer.commit([task], true);
    await clock.advance(40_000);
    expect(asked).toEqual(['a in 30000', 'a in 30000']);
    producer.release([task]);
    await clock.advance(120_000);
    expect(asked.slice(2)).toEqual(['a now']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is not held once its line is released', async () => {
    const { producer, clock, asked } = createProducer();
    const [first, late] = [taskOf('first'), taskOf('late')];
    await producer.commit([first], true);
    late.prior = first;
    await producer.commit([late], true);
    producer.release([first, late]);
    await clock.advance(120_000);
    expect(asked).toEqual(['first now']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is not put off by an earlier attempt to prolong its hold', async () => {
    const { producer, clock, asked, setUp } = createProducer();
    const task = taskOf('a', 5_000);
    await producer.commit([task], true);
    setUp(false);
    await clock.advance(15_000); // half of the hold is over: it is prolonged, and that fails
    setUp(true);
    producer.release([task]);
    await clock.advance(60_000);
    expect(asked).toEqual(['a in 5000']);
  });
});

describe('P17: a task that the store has not taken', () => {
  it.each<[string, object, string[]]>([
    ['had nobody to connect to', { syscall: 'connect', code: 'ECONNREFUSED' }, []],
    ['was told that the database starts or stops', { code: '57P03' }, []],
    ['lost its connection', { syscall: 'read', code: 'ECONNRESET' }, ['a never']],
    ['got no answer', {}, ['a never']],
  ])('is removed only if it may have arrived: the command %s', async (_what, how, asked) => {
    const kit = createProducer();
    kit.addBy(() => Promise.reject(Object.assign(new Error('no'), how)));
    await expect(kit.producer.commit([taskOf('a')], true)).rejects.toThrow(StoreUnavailableError);
    await kit.clock.advance(1_000);
    expect(kit.asked).toStrictEqual(asked);
  });

  it('is not looked for if nothing was sent, because a job could not be made', async () => {
    const { producer, clock, asked } = createProducer();
    const [task, broken] = [taskOf('a'), taskOf('b')];
    broken.stored = undefined;
    await expect(producer.commit([task, broken], true)).rejects.toThrow(/not serialised/);
    expect([task.storing, broken.storing]).toEqual([undefined, undefined]);
    await producer.takeBack(task);
    await clock.advance(1_000);
    expect([asked, clock.pendingTimers]).toEqual([[], 0]);
  });
});

describe('P17: a task of a request that was told it failed', () => {
  it('is not announced as a duplicate', async () => {
    const { producer, told, addBy } = createProducer();
    addBy(() => Promise.resolve('another'));
    const task = taskOf('a');
    task.isOver = true;
    await producer.commit([task], false);
    expect(told).toEqual([]);
  });

  it.each<[string, Answer]>([
    ['1, as Redis does, whether there was one or not', () => 1],
    ['whether there was one', (wasThere) => (wasThere ? 1 : 0)],
  ])('is removed although it lands later, in a store that returns %s', async (_how, answer) => {
    const { producer, clock, stored, asked } = createProducer(answer);
    await producer.takeBack(taskOf('a'));
    await clock.advance(1_000);
    expect(asked).toEqual(['a never']);
    stored.add('a');
    await clock.advance(1_000);
    expect([...stored]).toEqual([]);
  });

  it('is logged if the store is away for too long', async () => {
    const { producer, clock, stored, logger, setUp } = createProducer();
    stored.add('a');
    setUp(false);
    await producer.takeBack(taskOf('a'));
    await clock.advance(400_000);
    expect(logger.of('warn')).toEqual(['The store: task a may run although its request failed']);
    await producer.held.close();
  });
});

const MOST = 10_000;

it('the tasks that a process has handed over are remembered: at least the latest ten thousand, at most twice as many', () => {
  const recent = new RecentTasks();
  const tasks = Array.from({ length: 2 * MOST + 1 }, (_, index) => bareTask(`task ${index}`));
  tasks.forEach(({ id }) => id); // which a task has from when somebody asks
  tasks.slice(0, MOST + 1).forEach((task) => recent.add(task));
  expect([recent.get(tasks[0].id), recent.all.length]).toEqual([tasks[0], MOST + 1]);
  tasks.slice(MOST + 1).forEach((task) => recent.add(task));
  expect(recent.get(tasks[0].id)).toBeUndefined();
  expect(recent.get(tasks[MOST].id)).toBe(tasks[MOST]);
  const isLatest = recent.all.every((task, index) => task === tasks[MOST + index]);
  expect([isLatest, recent.all.length]).toEqual([true, MOST + 1]);
});
