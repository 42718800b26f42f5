import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it, jest } from '@jest/globals';
import {
  TaskAbandonedError,
  TaskCancelledError,
  currentTask,
  type CurrentTask,
  type TaskOptions,
} from '../../../lib/index.js';
import { Observer } from '../../../lib/observe/observer.js';
import { TaskEvents } from '../../../lib/observe/task-events.js';
import { Log } from '../../../lib/observe/log.js';
import { TaskLog } from '../../../lib/observe/task-log.js';
import { TaskRecords } from '../../../lib/observe/task-records.js';
import { TaskStats } from '../../../lib/observe/task-stats.js';
import { ResolvedOptions } from '../../../lib/options/resolved-options.js';
import { TaskWorker } from '../../../lib/run/task-worker.js';
import { Carriers } from '../../../lib/options/carriers.js';
import { Task } from '../../../lib/task/task.js';
import type { Verdict } from '../../../lib/task/verdict.js';
import { Deferred } from '../support/deferred.js';
import { FakeClock } from '../support/fake-clock.js';
import { RecordingLogger } from '../support/recording-logger.js';
import { NOBODY } from '../support/tasks.js';

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
  const logger = new RecordingLogger();
  const log = new TaskLog(new Log(logger));
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

  it.each([[undefined], [null], ['then'], [0], [() => undefined], [{ than: 1 }]])(
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

  it('leaves the signal as it was where it is over before anybody asks it to end', async () => {
    let signal: AbortSignal | undefined;
    const { clock, task } = attempt(() => {
      ({ signal } = currentTask());
    });
    task.attempt?.interrupt('cancelled');
    await clock.settle();
    expect(signal?.aborted).toBe(false);
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

  it('that is cancelled as it starts never calls its body, and has not overrun', async () => {
    const body = jest.fn();
    const clock = new FakeClock();
    const logger = new RecordingLogger();
    const log = new TaskLog(new Log(logger));
    const events = new TaskEvents(clock, () => undefined);
    const observer = new Observer(new TaskStats(), new TaskRecords(10), events, log);
    const worker = new TaskWorker(clock, () => 0.5, observer);
    const settings = new ResolvedOptions({}).forTask(undefined, undefined);
    const task = new Task(NOBODY, 'task', settings, body, undefined, [], undefined, 0, undefined);
    events.stream.subscribe(({ type }) => {
      if (type === 'started') {
        task.attempt?.interrupt('cancelled');
      }
    });
    const kinds: string[] = [];
    worker.attempt(task, (_, { kind }) => kinds.push(kind));
    await clock.settle();
    expect([kinds, body.mock.calls, logger.lines]).toEqual([['cancelled'], [], []]);
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

  it('shows its body the same of itself whenever it looks', () => {
    const looks: CurrentTask[] = [];
    attempt(() => looks.push(currentTask(), currentTask()));
    expect(looks[0]).toBe(looks[1]);
    expect(looks[0]).toMatchObject({ id: 'id of task', name: 'task', attempt: 1, maxAttempts: 1 });
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

  it('is nothing where nothing was stored with it', () => {
    expect(
      tenantIn((task) => {
        task.isFromStore = true;
      }, carry),
    ).toBeUndefined();
  });
});

describe('what becomes of a task', () => {
  it.each<[Verdict & { isKept?: boolean }, string]>([
    [{ kind: 'completed' }, 'completed'],
    [{ kind: 'failed', error: 'no' }, 'failed'],
    [{ kind: 'cancelled' }, 'cancelled'],
    [{ kind: 'abandoned' }, 'abandoned'],
  ])('is announced: %j', (verdict, status) => {
    const { worker, task } = attempt(() => new Promise(() => undefined));
    worker.announce(task, verdict);
    expect(task.outcome?.status).toBe(status);
  });
});
