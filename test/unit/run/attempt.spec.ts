import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from '@jest/globals';
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
import { HOSTILE_VALUES, type Then, thenable } from '../support/hostile-values.js';
import { createKit } from '../support/kit.js';
import { LogBook } from '../../support/log-book.js';
import { NOBODY } from '../support/tasks.js';

const fail = (): never => {
  throw new Error('no connection');
};

describe('P11: a value that a body throws', () => {
  it.each(HOSTILE_VALUES)('fails the task, and is its error: %s', async (_, make) => {
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
  ])('counts once if it %s', async (_, then, status) => {
    const { clock, runner, record } = createKit();
    const events = record();
    const handle = runner.addTask(() => thenable(then));
    await clock.settle();
    expect(events.map(({ type }) => type)).toEqual(['added', 'queued', 'started', status]);
    expect(await handle.whenSettled()).toMatchObject(
      status === 'failed' ? { status, error } : { status },
    );
  });
});

describe('P7: the async context of the place where a task was added', () => {
  it('is the same on every attempt, although the one before entered another', async () => {
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

  it('is let go when the task has settled, although its handle is kept', async () => {
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
  it('waits for a function that has a then()', async () => {
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

  it('is first asked to end by a shutdown, and given up later', async () => {
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

  it.each(['cancelled', 'timeout'] as const)(
    'D17: ends as %s with waitForEnd, although a shutdown gives it up',
    (reason) => {
      const { task, kinds } = attempt(held().body, { waitForEnd: true });
      task.attempt?.interrupt(reason);
      task.attempt?.interrupt('abandoned');
      expect(kinds()).toEqual([]);
      task.attempt?.interrupt('abandoned');
      expect(kinds()).toEqual([reason === 'timeout' ? 'failed' : reason]);
    },
  );

  it('completes if its body does, although a shutdown asked it to end', async () => {
    const { body, resolve } = held();
    const { clock, task, kinds } = attempt(body);
    task.attempt?.interrupt('abandoned');
    resolve();
    await clock.settle();
    expect(kinds()).toEqual(['completed']);
  });

  it('reports no progress once it is over', async () => {
    const { body, state } = held();
    const { task, seen } = attempt(body);
    state.current?.progress(1);
    task.attempt?.interrupt('cancelled');
    state.current?.progress(2);
    expect(seen).toEqual([1]);
    expect(task.progress).toBe(1);
  });

  it('has an aborted signal although the body asks for it only afterwards', async () => {
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
  ])('has not overrun if its body %s when its signal aborts', async (_, finish) => {
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
});

function fromStore(task: Task): void {
  task.isFromStore = true;
  task.stored = { carried: 'acme' } as never;
}

describe('the carried context of a task from another process', () => {
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
    'is restored around one run of the body, whose end counts, if restore() %s',
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
