import { describe, expect, it } from '@jest/globals';
import type { CollectedTasks } from '../../../lib/engine/bullmq/commit/collected-tasks.js';
import { Producer } from '../../../lib/engine/bullmq/commit/producer.js';
import { OwnHandles } from '../../../lib/engine/bullmq/view/own-handles.js';
import type { JobStore } from '../../../lib/engine/bullmq/store/job-store.js';
import { Persistence } from '../../../lib/engine/bullmq/store/store-errors.js';
import type { Worker } from '../../../lib/engine/engine.js';
import type { Task } from '../../../lib/task/task.js';
import { FakeClock } from '../support/fake-clock.js';
import { LogBook } from '../../support/log-book.js';
import { Deferred } from '../../support/deferred.js';
import { bareTask } from '../support/tasks.js';

/** Commits to a store that takes everything, unless the test says otherwise. */
function createProducer(store: (id: string) => Promise<string> = (id) => Promise.resolve(id)) {
  const added: string[] = [];
  const removed: string[] = [];
  const told: string[] = [];
  const clock = new FakeClock();
  const backend = {
    addJob: ({ name }: { name: string }, id: string) => {
      added.push(name);
      return store(id);
    },
  };
  const remove = (id: string): Promise<number> => {
    removed.push(id);
    return Promise.resolve(1);
  };
  const producer = new Producer({
    store: {
      label: 'The store',
      ready: () => Promise.resolve(),
      queue: () => ({ name: 'default', opts: {}, backend, remove }),
    } as unknown as JobStore,
    persistence: new Persistence(clock),
    settings: { commitTimeoutMs: 2_000, holdMs: 30_000 },
    collected: { takeOut: () => undefined, stored: () => undefined } as unknown as CollectedTasks,
    worker: {
      announce: ({ name }: Task, { kind }: { kind: string }) => void told.push(`${name} ${kind}`),
    } as unknown as Worker,
    clock,
    logger: new LogBook(),
  });
  return { producer, clock, added, removed, told };
}

function storedTask(name: string): Task {
  const task = bareTask(name);
  task.stored = { args: '[]', options: undefined, carried: undefined };
  return task;
}

describe('P17: a task whose request fails, though not by its own store', () => {
  it('is taken back when the store has taken it', async () => {
    const stored = new Deferred<string>();
    const { producer, clock, removed } = createProducer(() => stored.promise);
    const task = storedTask('task');
    const added = producer.commit([task], true);
    const takenBack = producer.takeBack(task);
    await clock.advance(1_000);
    expect(removed).toStrictEqual([]);
    stored.resolve(task.id);
    await Promise.all([added, takenBack]);
    await clock.advance(1_000);
    expect(removed).toStrictEqual([task.id]);
    await producer.close();
  });

  it('is not told of as a duplicate, too', async () => {
    const { producer, told } = createProducer(() => Promise.resolve('another'));
    const task = storedTask('task');
    task.isOver = true;
    await producer.commit([task], false);
    expect(told).toStrictEqual([]);
  });
});

describe('the handle of a stored task', () => {
  it('shows that another object of it runs, with the attempt that it is', () => {
    const handles = new OwnHandles({} as JobStore, new FakeClock(), () => true);
    const [own, attempted] = [bareTask('own'), bareTask('own')];
    handles.add(own);
    attempted.attempts = 3;
    expect(own.id).toBe(attempted.id);
    handles.started(attempted);
    handles.started(bareTask('another'));
    expect([own.status, own.attempts]).toEqual(['running', 3]);
  });
});
