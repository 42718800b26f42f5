import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { TaskEvent } from 'nestjs-background-tasks';
import { type CurrentTask, currentTask } from '../../../lib/index.js';
import { createKit } from '../support/kit.js';
import { type TestApp, startApp } from '../testing/support.js';

const fail = (): never => {
  throw new Error('hook');
};

describe('currentTask() inside a task', () => {
  it('tells id, name, queue and attempt', async () => {
    const { clock, runner } = createKit({ queues: { mails: {} } });
    const seen: CurrentTask[] = [];
    const handle = runner.addTask(
      { name: 'welcome', queue: 'mails', retry: { attempts: 3 } },
      async () => {
        await clock.sleep(1);
        seen.push(currentTask());
        throw new Error('no');
      },
    );
    await clock.advance(1e6);
    const common = { id: handle.id, name: 'welcome', queue: 'mails', maxAttempts: 3 };
    expect(seen).toMatchObject([
      { ...common, attempt: 1 },
      { ...common, attempt: 2 },
      { ...common, attempt: 3 },
    ]);
    expect(handle.id).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
  });

  it('tells a late body its own attempt, not the next one', async () => {
    const { clock, runner } = createKit();
    const attempts: number[] = [];
    runner.addTask({ timeout: 10, retry: { attempts: 2, delay: 0 } }, async () => {
      await clock.sleep(15);
      attempts.push(currentTask().attempt);
    });
    await clock.advance(100);
    expect(attempts).toEqual([1, 2]);
  });
});

describe('currentTask() outside of a task', () => {
  it('has empty names, one attempt, a signal that never aborts, and does nothing', () => {
    const { signal, progress, result, log, ...data } = currentTask();
    expect({ ...data }).toEqual({ id: '', name: '', queue: '', attempt: 1, maxAttempts: 1 });
    expect(signal.aborted).toBe(false);
    expect([progress, result, log].map((tell) => tell('something'))).toEqual(
      Array(3).fill(undefined),
    );
  });
});

describe('TaskRunner.around()', () => {
  let app: TestApp;

  afterEach(() => app.module.close());

  it('puts hooks around each attempt, the first one outermost, until taken away', async () => {
    app = await startApp('manual');
    const { runner, tasks } = app;
    const context = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const takeAway = [
      runner.around(({ name, attempt }, run) => context.run(`${name} ${attempt}`, run)),
      runner.around((_, run) => context.run(`${context.getStore()} inner`, run)),
    ];
    const body = async (): Promise<void> => {
      await Promise.resolve();
      seen.push(context.getStore());
    };
    runner.addTask({ name: 'mail' }, body);
    await tasks.drain();
    for (const call of takeAway) {
      call();
      runner.addTask({ name: 'mail' }, body);
      await tasks.drain();
    }
    expect(seen).toEqual(['mail 1 inner', 'undefined inner', undefined]);
  });

  it.each<[string, (run: () => void) => void]>([
    ['throws before the body', fail],
    ['throws after the body', (run) => [run(), fail()]],
    ['never calls the body', () => undefined],
    ['calls the body twice', (run) => [run(), run()]],
    ['rejects', async (run) => [run(), await Promise.resolve(), fail()]],
  ])('runs the body once, and keeps its outcome, if a hook %s', async (_, hook) => {
    app = await startApp('manual');
    const { runner, tasks } = app;
    runner.around((__, run) => hook(run));
    const inner = jest.fn((__: unknown, run: () => void) => run());
    runner.around(inner);
    let runs = 0;
    const error = new Error('body');
    runner.addTask(() => void (runs += 1));
    runner.addTask(() => {
      throw error;
    });
    expect(await tasks.drain()).toMatchObject([
      { verdict: 'completed' },
      { verdict: 'failed', error },
    ]);
    expect(runs).toBe(1);
    expect(inner).toHaveBeenCalledTimes(2);
  });
});

describe('O19: the result of run()', () => {
  it('is a promise of the outcome of the attempt, in the scope of the hook', async () => {
    const app = await startApp('manual');
    const { runner, tasks } = app;
    const scope = new AsyncLocalStorage<string[]>();
    const reports: unknown[] = [];
    // As Sentry.withIsolationScope() and captureException() do.
    runner.around((task, run) =>
      scope.run([task.name, String(task.attempt)], async () => {
        const end = await run();
        if (end.kind === 'failed' || end.kind === 'retry') {
          reports.push([...(scope.getStore() ?? []), end.kind, end.error]);
        } else {
          reports.push([...(scope.getStore() ?? []), end.kind]);
        }
      }),
    );
    const error = new Error('body');
    const fails = (): Promise<void> => Promise.reject(error);
    runner.addTask({ name: 'fails', retry: { attempts: 2, delay: 1 } }, fails);
    runner.addTask({ name: 'throws' }, () => {
      throw error;
    });
    runner.addTask({ name: 'returns' }, () => undefined);
    runner.addTask({ name: 'times out', timeout: 10 }, () => new Promise(() => undefined));
    await tasks.advance('1m');
    expect(reports).toEqual(
      expect.arrayContaining([
        ['fails', '1', 'retry', error],
        ['fails', '2', 'failed', error],
        ['throws', '1', 'failed', error],
        ['returns', '1', 'completed'],
        ['times out', '1', 'failed', expect.objectContaining({ code: 'BGT_TIMEOUT' })],
      ]),
    );
    expect(reports).toHaveLength(5);
    await app.module.close();
  });
});

describe('the figures of an attempt', () => {
  let app: TestApp;

  afterEach(() => app.module.close());

  it('tell how long it waited and ran, and how the process fared', async () => {
    app = await startApp('manual');
    const { runner, tasks } = app;
    const events: TaskEvent[] = [];
    runner.events.subscribe((event) => events.push(event));
    let failures = 1;
    runner.addTask({ delay: '10s', retry: { attempts: 2, delay: '5s', jitter: 'none' } }, () => {
      if (failures-- > 0) {
        throw new Error('once');
      }
    });
    await runner.pause();
    await tasks.advance('12s');
    await runner.resume();
    await tasks.advance('1m');
    expect(events.map(({ type }) => type)).toEqual([
      'added',
      'queued',
      'started',
      'retrying',
      'started',
      'completed',
    ]);
    const [, , first, retrying, second, completed] = events;
    expect(first).toMatchObject({ waitedMs: 2_000 });
    expect(second).toMatchObject({ waitedMs: 0 });
    expect(retrying).toMatchObject({
      durationMs: 0,
      process: { eventLoopUtilization: expect.any(Number), heapGrowthBytes: expect.any(Number) },
    });
    expect(completed).toHaveProperty('process.heapGrowthBytes');
  });
});
