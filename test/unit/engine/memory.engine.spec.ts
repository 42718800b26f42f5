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

const statuses = (handles: readonly TaskHandle[]) => handles.map(({ status }) => status);

describe('the memory engine', () => {
  it('puts a task at the end again when its delay or its wait for a retry is over', async () => {
    const { clock, runner } = createKit({ queues: { default: { concurrency: 1 } } });
    const started: string[] = [];
    let failures = 1;
    runner.addTask({ retry: { attempts: 2, delay: 5, jitter: 'none' } }, () => {
      started.push('retried');
      if (failures-- > 0) {
        throw new Error('once');
      }
    });
    runner.addTask({ delay: 5 }, () => started.push('delayed'));
    runner.addTask(() => clock.sleep(10));
    runner.addTask(() => started.push('waiting'));
    await clock.advance(1e6);
    // Of the two that are due at once, the delayed one was added to the timers first.
    expect(started).toEqual(['retried', 'waiting', 'delayed', 'retried']);
  });

  it('P9: has one timer for all delays and retries', async () => {
    const { clock, runner } = createKit({ retry: { attempts: 3 } });
    for (let index = 0; index < 50; index++) {
      runner.addTask({ delay: 1000 + ((index * 37) % 50) }, () => undefined);
      runner.addTask(() => Promise.reject(new Error('no')));
    }
    await clock.settle();
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(900);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(1e6);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('P8: a slot', () => {
  it('is free again after a sync throw, a rejection, a timeout and a cancellation', async () => {
    const { clock, runner } = createKit({ queues: { default: { concurrency: 1 } } });
    runner.addTask(() => {
      throw new Error('sync');
    });
    runner.addTask(() => Promise.reject(new Error('async')));
    runner.addTask({ timeout: 5 }, () => new Promise(() => undefined));
    const cancelled = runner.addTask(() => new Promise(() => undefined));
    const last = runner.addTask(() => undefined);
    await clock.advance(10);
    await cancelled.cancel();
    await clock.settle();
    expect(last.status).toBe('completed');
  });
});

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
  it('the request that happens to add another one', async () => {
    const { clock, attempted, add } = createEngine();
    requests.run('request', () => add(bareTask('1')));
    await clock.settle();
    expect(attempted).toEqual(['1 of nobody']);
  });

  it('the request that cancels the one before it, nor are those after it', async () => {
    const { clock, engine, attempted, add } = createEngine();
    const [first, second] = ['1', '2', '3'].map((name) => add(bareTask(name)));
    await clock.settle();
    requests.run('request', () => engine.cancel(first));
    await clock.settle();
    requests.run('other request', () => engine.cancel(second));
    await clock.settle();
    expect(attempted).toEqual(['1 of nobody', '2 of nobody', '3 of nobody']);
  });

  it('whoever created the application, in a span of its tracer maybe', async () => {
    const { clock, engine, attempted, add } = requests.run('start-up', createEngine);
    const first = add(bareTask('1'));
    add(bareTask('2'));
    await clock.settle();
    engine.cancel(first);
    await clock.settle();
    expect(attempted).toEqual(['1 of nobody', '2 of nobody']);
  });

  it('the request whose task waited before it', async () => {
    const { clock, attempted, add } = createEngine();
    const options = { delay: 10 };
    requests.run('request', () => add(bareTask('1', undefined, { options })));
    await clock.advance(10);
    expect(attempted).toEqual(['1 of nobody']);
  });
});

/** Long enough that a recursion over the line would not survive it. */
const LONG = 20_000;

interface Watched {
  readonly handles: TaskHandle[];
  /** What began and what ended, in order. */
  readonly log: string[];
}

/** One request with tasks of these names; each takes 10 ms. */
function watchedTasks({ clock, handle }: Kit, names: readonly string[]): Promise<Watched> {
  const log: string[] = [];
  return handle((tasks) => ({
    log,
    handles: names.map((name) =>
      tasks.addTask(async () => {
        log.push(`${name} begins`);
        await clock.sleep(10);
        log.push(`${name} ends`);
        if (name.startsWith('bad')) {
          throw new Error(name);
        }
      }),
    ),
  }));
}

describe('onFailure: stop', () => {
  const stop = { request: { onFailure: 'stop' } } as const;

  it('drops the tasks after a failed one, audibly', async () => {
    const kit = createKit(stop);
    const events = kit.record();
    const { handles } = await watchedTasks(kit, ['a', 'bad', 'c', 'd']);
    await kit.clock.advance(1e6);
    expect(statuses(handles)).toEqual(['completed', 'failed', 'dropped', 'dropped']);
    const [, , third, fourth] = handles as [TaskHandle, TaskHandle, TaskHandle, TaskHandle];
    expect(events.filter(({ type }) => type === 'dropped')).toMatchObject([
      { id: third.id, reason: 'predecessor-failed' },
      { id: fourth.id, reason: 'predecessor-failed' },
    ]);
    expect(await third.whenSettled()).toEqual({ status: 'dropped', reason: 'predecessor-failed' });
    expect(kit.logger.of('warn')).toEqual(
      [third, fourth].map(
        ({ name, id }) => `Task ${name} (${id}) was dropped: a task before it did not complete`,
      ),
    );
  });

  it('drops those after one that was cancelled in its line, and not the one before', async () => {
    const kit = createKit(stop);
    const { handles } = await watchedTasks(kit, ['a', 'b', 'c', 'd']);
    await kit.clock.settle();
    await handles[1]?.cancel();
    await kit.clock.advance(1e6);
    expect(statuses(handles)).toEqual(['completed', 'cancelled', 'dropped', 'dropped']);
  });

  it('drops a line of any length', async () => {
    const kit = createKit(stop);
    const handles = await addMany(kit, (tasks) => tasks.addTask(() => Promise.reject(new Error())));
    await kit.clock.settle();
    expect(countsOf(handles)).toEqual({ failed: 1, dropped: LONG });
  });
});

describe('a line of any length', () => {
  it('runs to its end', async () => {
    const kit = createKit();
    const handles = await addMany(kit, (tasks) => tasks.addTask(() => undefined));
    await kit.clock.settle();
    expect(countsOf(handles)).toEqual({ completed: LONG + 1 });
  });

  it('is abandoned as a whole when it is released after the engine has stopped', async () => {
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
