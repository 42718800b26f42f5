import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it, jest } from '@jest/globals';
import {
  type CurrentTask,
  TaskAbandonedError,
  TaskCancelledError,
  type TaskHandle,
  type TaskOptions,
  currentTask,
} from '../../../lib/index.js';
import { Log } from '../../../lib/observe/log.js';
import { Observer } from '../../../lib/observe/observer.js';
import { TaskEvents } from '../../../lib/observe/task-events.js';
import { TaskLog } from '../../../lib/observe/task-log.js';
import { TaskRecords } from '../../../lib/observe/task-records.js';
import { TaskStats } from '../../../lib/observe/task-stats.js';
import { Carriers } from '../../../lib/options/carriers.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import { TaskWorker } from '../../../lib/run/task-worker.js';
import { Task } from '../../../lib/task/task.js';
import type { Verdict } from '../../../lib/task/verdict.js';
import { Deferred } from '../../support/deferred.js';
import { FakeClock } from '../support/fake-clock.js';
import { collectGarbage } from '../../support/garbage.js';
import { HOSTILE_VALUES, type Then, thenable, thrower } from '../support/hostile-values.js';
import { createKit } from '../support/kit.js';
import { LogBook } from '../../support/log-book.js';
import { NOBODY } from '../support/tasks.js';

const fail = (): never => {
  throw new Error('no connection');
};

describe('a task', () => {
  it('is given its arguments, in order, and no this', async () => {
    const { clock, runner } = createKit();
    const calls: unknown[] = [];
    function body(this: unknown, ...args: unknown[]): void {
      calls.push([this, ...args]);
    }
    runner.addTask(body, 'a', undefined, { b: 1 });
    await clock.settle();
    expect(calls).toEqual([[undefined, 'a', undefined, { b: 1 }]]);
  });
});

describe('P11: whatever a body throws', () => {
  it.each(HOSTILE_VALUES)('%s fails the task, and is its error', async (_, make) => {
    const { clock, runner, logger } = createKit();
    const value = make();
    const sync = runner.addTask({ name: 'sync' }, () => {
      throw value;
    });
    const rejected = runner.addTask({ name: 'rejected' }, async () => {
      await clock.sleep(1);
      throw value;
    });
    const other = runner.addTask({ name: 'other' }, () => undefined);
    await clock.advance(10);

    expect([sync.status, rejected.status, other.status]).toEqual(['failed', 'failed', 'completed']);
    for (const handle of [sync, rejected]) {
      const outcome = await handle.whenSettled();
      expect(outcome.status === 'failed' && Object.is(outcome.error, value)).toBe(true);
    }
    expect(logger.of('error')).toEqual([
      expect.stringMatching(/^Task sync \([\w-]{36}\) failed after 1 attempt, /),
      expect.stringMatching(/^Task rejected \([\w-]{36}\) failed after 1 attempt, /),
    ]);
  });
});

describe('a thenable that a body returns', () => {
  const error = new Error('no');
  const throws = (): never => {
    throw error;
  };

  it.each<[string, Then, 'completed' | 'failed']>([
    ['rejects', (_, reject) => reject(error), 'failed'],
    ['resolves twice', (resolve) => [resolve(1), resolve(2)], 'completed'],
    ['rejects twice', (_, reject) => [reject(error), reject(new Error('2'))], 'failed'],
    ['resolves, then rejects', (resolve, reject) => [resolve(), reject(error)], 'completed'],
    ['rejects, then resolves', (resolve, reject) => [reject(error), resolve()], 'failed'],
    ['throws in then', throws, 'failed'],
    ['resolves, then throws in then', (resolve) => [resolve(), throws()], 'completed'],
  ])('%s: it counts once', async (_, then, status) => {
    const { clock, runner, record } = createKit();
    const events = record();
    const handle = runner.addTask(() => thenable(then));
    await clock.settle();
    expect(events.map(({ type }) => type)).toEqual(['added', 'queued', 'started', status]);
    expect(await handle.whenSettled()).toMatchObject(
      status === 'failed' ? { status, error } : { status },
    );
  });

  it('whose then cannot be read fails the task', async () => {
    const { clock, runner } = createKit();
    const handle = runner.addTask(() => thrower());
    await clock.settle();
    expect(await handle.whenSettled()).toMatchObject({
      status: 'failed',
      error: { message: 'looked at' },
    });
  });
});

describe('P7: the async context of the place where a task was added', () => {
  it('is there on every attempt, and not that of any other task', async () => {
    const storage = new AsyncLocalStorage<string>();
    const { clock, runner } = createKit({ retry: { attempts: 2 } });
    const seen: string[] = [];
    for (const tenant of ['blue', 'green']) {
      storage.run(tenant, () =>
        runner.addTask(async (own: string) => {
          seen.push(`${own} in ${storage.getStore()}`);
          await clock.sleep(5);
          seen.push(`${own} still in ${storage.getStore()}`);
          fail();
        }, tenant),
      );
    }
    runner.addTask(() => seen.push(`nothing in ${storage.getStore()}`));
    await clock.settle();
    expect(seen).toEqual(['blue in blue', 'green in green', 'nothing in undefined']);
    await clock.advance(1e6);
    expect(seen.slice(3).toSorted()).toEqual(
      [
        'blue still in blue',
        'green still in green',
        'blue in blue',
        'green in green',
        'blue still in blue',
        'green still in green',
      ].toSorted(),
    );
  });

  it('is the same on every attempt, whatever the one before has entered', async () => {
    const tenants = new AsyncLocalStorage<string>();
    const { clock, runner } = createKit({ retry: { attempts: 2 } });
    const seen: (string | undefined)[] = [];
    tenants.run('of the request', () =>
      runner.addTask(() => {
        seen.push(tenants.getStore());
        tenants.enterWith('of the attempt');
        fail();
      }),
    );
    await clock.advance(10_000);
    expect(seen).toEqual(['of the request', 'of the request']);
  });

  it('is let go when the task has settled, though its handle is kept', async () => {
    const storage = new AsyncLocalStorage<object>();
    const { clock, runner } = createKit();
    // In a function of its own: no variable of this one may hold the store.
    const [handle, store] = ((): [TaskHandle, WeakRef<object>] => {
      const request = { tenant: 'blue' };
      const added = storage.run(request, () => runner.addTask(() => clock.sleep(5)));
      return [added, new WeakRef(request)];
    })();
    await clock.advance(1);
    await collectGarbage();
    expect(store.deref()).toBeDefined();
    await clock.advance(1e6);
    await collectGarbage();
    expect(handle.status).toBe('completed');
    expect(store.deref()).toBeUndefined();
  });
});

type Carry = Carriers | undefined;

const noChange = (): void => undefined;

/** A worker, and what it came to with one attempt of `body`. */
function attempt(
  body: () => unknown,
  options: TaskOptions = {},
  change: (task: Task) => void = noChange,
  carry?: Carry,
) {
  const clock = new FakeClock();
  const logger = new LogBook();
  const log = new TaskLog(new Log(logger), clock);
  const events = new TaskEvents(clock, () => undefined);
  const records = new TaskRecords(10);
  const observer = new Observer(new TaskStats(), records, events, log);
  const worker = new TaskWorker(clock, () => 0.5, observer, undefined, carry);
  const settings = new ResolvedOptions({}).forTask(options, undefined);
  const task = new Task(NOBODY, 'task', settings, body, undefined, [], undefined, 0, undefined);
  const verdicts: Verdict[] = [];
  const seen: unknown[] = [];
  events.stream.subscribe((event) => event.type === 'progress' && seen.push(event.value));
  change(task);
  worker.attempt(task, (_, verdict) => verdicts.push(verdict));
  const kinds = (): string[] => verdicts.map(({ kind }) => kind);
  return { clock, logger, task, worker, verdicts, kinds, seen };
}

/** A body that runs until the test ends it, and what it sees of itself. */
function held() {
  const { promise, resolve, reject } = new Deferred();
  const state: { current: CurrentTask | undefined } = { current: undefined };
  const body = (): Promise<void> => {
    state.current = currentTask();
    return promise;
  };
  return { body, resolve, reject, state };
}

describe('an attempt', () => {
  it('waits for whatever can be waited for', async () => {
    const end = new Deferred();
    const then = (resolve: () => void) => end.promise.then(resolve);
    // oxlint-disable-next-line unicorn/no-thenable -- that is the point of it
    const callable = Object.assign(() => undefined, { then });
    const { clock, kinds } = attempt(() => callable);
    await clock.settle();
    expect(kinds()).toEqual([]);
    end.resolve();
    await clock.settle();
    expect(kinds()).toEqual(['completed']);
  });

  it.each([[undefined], [() => undefined], [{ than: 1 }]])(
    'is over at once where the body returns %p',
    (value) => {
      expect(attempt(() => value).kinds()).toEqual(['completed']);
    },
  );

  it('comes to one verdict, whatever is asked of it afterwards', async () => {
    const { clock, task, kinds, logger } = attempt(() => undefined);
    for (const reason of ['timeout', 'cancelled', 'abandoned'] as const) {
      task.attempt?.interrupt(reason);
    }
    await clock.settle();
    expect(kinds()).toEqual(['completed']);
    expect(logger.lines).toEqual([]);
  });

  it('is first asked to end by a shutdown, and then given up', async () => {
    const { body, state } = held();
    const { clock, task, kinds, logger } = attempt(body);
    const { signal } = state.current as CurrentTask;
    task.attempt?.interrupt('abandoned');
    expect(signal.reason).toBeInstanceOf(TaskAbandonedError);
    expect(kinds()).toEqual([]);
    task.attempt?.interrupt('abandoned');
    expect(kinds()).toEqual(['abandoned']);
    await clock.settle();
    expect(logger.of('warn').join()).toMatch(/task/);
  });

  it('was abandoned where it throws because a shutdown asked it to end', async () => {
    const { body, reject } = held();
    const { clock, task, kinds } = attempt(body, { retry: { attempts: 5 } });
    task.attempt?.interrupt('abandoned');
    reject(new Error('aborted'));
    await clock.settle();
    expect(kinds()).toEqual(['abandoned']);
  });

  it('has completed where it did, although a shutdown asked it to end', async () => {
    const { body, resolve } = held();
    const { clock, task, kinds } = attempt(body);
    task.attempt?.interrupt('abandoned');
    resolve();
    await clock.settle();
    expect(kinds()).toEqual(['completed']);
  });

  it('has an aborted signal also where the body first asks for it afterwards', async () => {
    const { body, state } = held();
    const { task } = attempt(body);
    task.attempt?.interrupt('cancelled');
    const { signal } = state.current as CurrentTask;
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toBeInstanceOf(TaskCancelledError);
  });

  it.each([
    ['returns', (end: ReturnType<typeof held>) => end.resolve()],
    ['throws', (end: ReturnType<typeof held>) => end.reject(new Error('aborted'))],
  ])('has not overrun where its body %s as soon as it is told', async (_, finish) => {
    const end = held();
    const { clock, task, logger, kinds } = attempt(() => {
      const promise = end.body();
      currentTask().signal.addEventListener('abort', () => finish(end));
      return promise;
    });
    task.attempt?.interrupt('cancelled');
    await clock.settle();
    expect(kinds()).toEqual(['cancelled']);
    expect(logger.of('warn')).toEqual([]);
  });

  it('asks its retry policy nothing about what a body throws after its timeout', async () => {
    const retryIf = jest.fn(() => true);
    const { body, reject } = held();
    const retry = { attempts: 3, retryIf };
    const { clock, kinds } = attempt(body, { timeout: 10, retry });
    await clock.advance(10);
    reject(new Error('late'));
    await clock.settle();
    expect(kinds()).toEqual(['retry']);
    expect(retryIf).toHaveBeenCalledTimes(1);
  });

  it('reports no progress any more once it is over', async () => {
    const { body, state } = held();
    const { task, seen } = attempt(body);
    state.current?.progress(1);
    task.attempt?.interrupt('cancelled');
    state.current?.progress(2);
    expect(seen).toEqual([1]);
    expect(task.progress).toBe(1);
  });
});

function fromStore(task: Task): void {
  task.isFromStore = true;
  task.stored = { carried: 'acme' } as never;
}

describe('what is carried with a task from another process', () => {
  const tenants = new AsyncLocalStorage<unknown>();
  const carry = new Carriers({
    capture: () => undefined,
    restore: (tenant, run) => tenants.run(tenant, run),
  });
  const tenantIn = (change: (task: Task) => void, own: Carry): unknown => {
    let tenant: unknown;
    attempt(() => (tenant = tenants.getStore()), {}, change, own);
    return tenant;
  };
  it('is there in its body', () => {
    expect(tenantIn(fromStore, carry)).toBe('acme');
  });

  it('is not brought back where the task was added here, or nothing is to be carried', () => {
    expect(tenantIn(() => undefined, carry)).toBeUndefined();
    expect(tenantIn(fromStore, undefined)).toBeUndefined();
  });

  it.each<[string, (run: () => unknown) => unknown]>([
    ['returns nothing', (run) => void run()],
    ['is asynchronous', async (run) => run()],
    ['is asynchronous, and returns nothing', async (run) => void run()],
    [
      'is asynchronous, and goes on after the body',
      async (run) => {
        void run();
        await new Promise((resolve) => setImmediate(resolve));
      },
    ],
    ['does not call the body', () => undefined],
    ['is asynchronous, and does not call the body', async () => undefined],
    ['calls it twice', (run) => [run(), run()].at(0)],
  ])(
    'is brought back around one body, whose end counts, where the one that does so %s',
    async (_how, restore) => {
      const own = new Carriers({
        capture: () => undefined,
        restore: (_carried, run) => restore(run) as ReturnType<typeof run>,
      });
      let runs = 0;
      const body = async (): Promise<void> => {
        runs += 1;
        await Promise.resolve();
        throw new Error('no');
      };
      const { clock, kinds } = attempt(body, {}, fromStore, own);
      await clock.settle();
      expect([runs, kinds()]).toEqual([1, ['failed']]);
    },
  );
});
