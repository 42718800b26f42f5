import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it, jest } from '@jest/globals';
import { MemoryEngine } from '../../../lib/engine/memory/memory.engine.js';
import type { BackgroundTasks, TaskHandle } from '../../../lib/index.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import type { Task } from '../../../lib/task/task.js';
import { FakeClock } from '../support/fake-clock.js';
import { type Kit, createKit } from '../support/kit.js';
import { LogBook } from '../../support/log-book.js';
import { bareTask } from '../support/tasks.js';

const requests = new AsyncLocalStorage<string>();

function createEngine() {
  const clock = new FakeClock();
  /** Which tasks were attempted, and on behalf of which request. */
  const attempted: string[] = [];
  const { queues } = new ResolvedOptions({ queues: { default: { concurrency: 1 } } });
  const engine = new MemoryEngine({
    queues: [...queues.values()],
    worker: {
      attempt(task, conclude) {
        attempted.push(`${task.name} of ${requests.getStore() ?? 'nobody'}`);
        task.attempt = {
          reading: undefined,
          interrupt: () => conclude(task, { kind: 'cancelled' }),
        };
      },
      announce: (task) => task.settle({ status: 'cancelled', attempts: 1 }),
    },
    clock,
    logger: new LogBook(),
  });
  void engine.start();
  return {
    clock,
    engine,
    attempted,
    add: (task: Task): Task => {
      engine.admit(task);
      engine.release(task);
      return task;
    },
  };
}

describe('P7: a task is not started on behalf of', () => {
  it.each([0, 10])('the request that added it, with a delay of %d ms', async (delay) => {
    const { clock, attempted, add } = createEngine();
    requests.run('request', () => add(bareTask('1', undefined, { options: { delay } })));
    await clock.advance(delay);
    expect(attempted).toEqual(['1 of nobody']);
  });

  it('the request that cancels the task before it, nor are those after it', async () => {
    const { clock, engine, attempted, add } = createEngine();
    const [first, second] = ['1', '2', '3'].map((name) => add(bareTask(name)));
    await clock.settle();
    requests.run('request', () => engine.cancel(first));
    await clock.settle();
    requests.run('other request', () => engine.cancel(second));
    await clock.settle();
    expect(attempted).toEqual(['1 of nobody', '2 of nobody', '3 of nobody']);
  });

  it('the code that created the application', async () => {
    const { clock, engine, attempted, add } = requests.run('start-up', createEngine);
    const first = add(bareTask('1'));
    add(bareTask('2'));
    await clock.settle();
    engine.cancel(first);
    await clock.settle();
    expect(attempted).toEqual(['1 of nobody', '2 of nobody']);
  });
});

/** Long enough that a recursion over the line would not survive it. */
const LONG = 20_000;

describe('a line of any length', () => {
  it('runs to its end', async () => {
    const kit = createKit();
    const handles = await addMany(kit, (tasks) => tasks.addTask(() => undefined));
    await kit.clock.settle();
    expect(countsOf(handles)).toEqual({ completed: LONG + 1 });
  });

  it('is abandoned as a whole if it is released after the engine has stopped', async () => {
    const kit = createKit();
    const body = jest.fn();
    const handles = await kit.handle(async (tasks) => {
      const added = Array.from({ length: LONG + 1 }, () => tasks.addTask(body));
      await kit.engine.stop(0);
      return added;
    });
    await kit.clock.settle();
    expect(countsOf(handles)).toEqual({ abandoned: LONG + 1 });
    expect(body).not.toHaveBeenCalled();
  });
});

function addMany(kit: Kit, add: (tasks: BackgroundTasks) => TaskHandle): Promise<TaskHandle[]> {
  return kit.handle((tasks) => Array.from({ length: LONG + 1 }, () => add(tasks)));
}

function countsOf(handles: readonly TaskHandle[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of handles) {
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}
