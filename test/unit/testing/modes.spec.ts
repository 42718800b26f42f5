/* oxlint-disable typescript/unbound-method -- it is only listed, never called */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Inject, Injectable, Module } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  Background,
  BackgroundTasksModule,
  TaskRunner,
  currentTask,
} from 'nestjs-background-tasks';
import { journal } from 'nestjs-background-tasks/journal';
import { BackgroundTasksTesting, type TestingOptions } from 'nestjs-background-tasks/testing';
import { Deferred } from '../support/deferred.js';
import { type TestApp, startApp } from './support.js';

describe("the kit in mode 'manual'", () => {
  let app: TestApp;

  afterEach(() => app.module.close());

  const start = async (
    options?: Parameters<typeof startApp>[1],
    testing?: Partial<TestingOptions>,
  ): Promise<TestApp> => (app = await startApp({ mode: 'manual', ...testing }, options));

  it('runs nothing until it is told to', async () => {
    const { mailer, tasks } = await start();
    await mailer.sendWelcome(1);
    await tasks.whenIdle();
    expect(mailer.sent).toEqual([]);
    expect(tasks.added[0]?.status).toBe('queued');
    await tasks.drain();
    expect(mailer.sent).toEqual([1]);
    expect(tasks.added[0]?.outcome).toMatchObject({ status: 'completed' });
  });

  it('drains what tasks add, too, and says what ran', async () => {
    const { runner, mailer, tasks } = await start();
    runner.addTask({ name: 'outer' }, () => void mailer.sendWelcome(2));
    const attempts = await tasks.drain();
    expect(attempts).toMatchObject([
      { name: 'outer', attempt: 1, verdict: 'completed', error: undefined },
      { name: 'Mailer.sendWelcome', queue: 'emails', args: [2], verdict: 'completed' },
    ]);
    expect(await tasks.drain()).toEqual([]);
  });

  it('runs one attempt at a time, in the order of the queue', async () => {
    const { runner, tasks } = await start();
    const ran: string[] = [];
    runner.addTask({ priority: 'low' }, () => ran.push('low'));
    runner.addTask(async () => void ran.push('normal'));
    runner.addTask({ priority: 'high' }, () => ran.push('high'));
    await tasks.runNext();
    expect(ran).toEqual(['high']);
    await tasks.runNext();
    expect(ran).toEqual(['high', 'normal']);
    expect(await tasks.runNext()).toMatchObject({ verdict: 'completed' });
    expect(ran).toEqual(['high', 'normal', 'low']);
    expect(await tasks.runNext()).toBeUndefined();
  });

  it('fires delays and retries when time is moved on', async () => {
    const { mailer, tasks } = await start();
    mailer.failures = 2;
    await mailer.sendWelcome('ada');
    expect(await tasks.drain()).toMatchObject([
      { attempt: 1, verdict: 'retry', error: new Error('no connection for ada') },
    ]);
    await tasks.advance('9s');
    expect(tasks.added[0]?.attempts).toBe(1);
    await tasks.advance('1s');
    expect(tasks.added[0]).toMatchObject({ attempts: 2, status: 'retrying' });
    await tasks.advance('20s');
    expect(mailer.sent).toEqual(['ada']);
  });

  it('runs each at its own time within one advance', async () => {
    const { runner, tasks } = await start();
    const begin = tasks.now();
    const ran: number[] = [];
    for (const delay of ['20s', '10s', '30s'] as const) {
      runner.addTask({ delay }, () => ran.push(tasks.now() - begin));
    }
    await tasks.advance('25s');
    expect(ran).toEqual([10_000, 20_000]);
    await tasks.advance('1m');
    expect(ran).toEqual([10_000, 20_000, 30_000]);
    expect(tasks.now() - begin).toBe(85_000);
  });

  it('tells the time in whole milliseconds, as Date.now() does', async () => {
    const { tasks } = await start();
    await tasks.advance(0.3);
    expect(Number.isInteger(tasks.now())).toBe(true);
  });

  it('times out a body that waits for the clock', async () => {
    const { runner, tasks } = await start();
    runner.addTask({ timeout: '30s' }, () => new Promise(() => undefined));
    const attempt = tasks.runNext();
    await tasks.advance('31s');
    expect(await attempt).toMatchObject({ verdict: 'failed', error: { code: 'BGT_TIMEOUT' } });
  });

  it('waits, while time passes, for a body that takes its time', async () => {
    const { runner, tasks } = await start();
    let failures = 1;
    runner.addTask({ retry: { attempts: 2, delay: '1s', jitter: 'none' } }, async () => {
      await new Promise((resolve) => setTimeout(resolve, 120));
      if (failures-- > 0) {
        throw new Error('once');
      }
    });
    await tasks.advance('10s');
    expect(tasks.added[0]).toMatchObject({ attempts: 2, status: 'completed' });
  });

  it('says which task does not end', async () => {
    const { mailer, tasks } = await start({}, { patience: '50ms' });
    const gate = new Deferred();
    mailer.gate = gate.promise;
    await mailer.sendWelcome('ada');
    await expect(tasks.drain()).rejects.toThrow(
      /not idle after 50 ms\. A running one does not end.*\n {2}1\. Mailer\.sendWelcome\('ada'\) \(queue emails, running\)$/,
    );
    gate.resolve();
  });

  it('lets the application close at once, whatever waits or runs', async () => {
    const { runner, tasks, module } = await start();
    const seen: boolean[] = [];
    runner.addTask(async () => {
      const { signal } = currentTask();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      seen.push(signal.aborted);
    });
    const attempt = tasks.runNext();
    const waiting = runner.addTask({ delay: '1h' }, () => undefined);
    await new Promise((resolve) => setImmediate(resolve));
    await module.close();
    expect([waiting.status, (await attempt)?.verdict, ...seen]).toEqual([
      'cancelled',
      'abandoned',
      true,
    ]);
  });
});

describe("the kit in mode 'inline'", () => {
  let app: TestApp;

  afterEach(() => app.module.close());

  const start = async (...[options]: [Parameters<typeof startApp>[1]?]): Promise<TestApp> =>
    (app = await startApp('inline', options));

  it('has run the task when the call of its method resolves', async () => {
    const { mailer } = await start();
    await mailer.sendWelcome(1);
    expect(mailer.sent).toEqual([1]);
  });

  it('rejects the call of a method whose task fails, once its attempts are over', async () => {
    const { mailer, tasks } = await start();
    mailer.failures = 3;
    await expect(mailer.sendWelcome('ada')).rejects.toThrow('no connection for ada');
    expect(tasks.added[0]?.attempts).toBe(3);
    await tasks.whenIdle();
  });

  it('waits for no delay, retry, batch or rate limit', async () => {
    const { mailer, runner, tasks } = await start({
      queues: { emails: { rateLimit: { max: 1, per: '1h' } } },
    });
    mailer.failures = 2;
    const later = runner.addTask({ delay: '7d' }, () => undefined);
    await mailer.sendWelcome('ada');
    await mailer.sendAll(['bob']);
    await tasks.whenIdle();
    expect(mailer.sent).toEqual(['ada', ['bob']]);
    expect(later.status).toBe('completed');
  });

  it('throws from whenIdle() what nobody else was told', async () => {
    const { runner, tasks } = await start();
    const error = new Error('no');
    runner.addTask(() => Promise.reject(error));
    await expect(tasks.whenIdle()).rejects.toBe(error);
    await tasks.whenIdle();
    runner.addTask(() => Promise.reject(new Error('one')));
    runner.addTask(() => Promise.reject(new Error('two')));
    await expect(tasks.whenIdle()).rejects.toMatchObject({
      message: '2 background tasks failed.',
      errors: [new Error('one'), new Error('two')],
    });
  });

  it('does not lock up a task that awaits a task of its own full queue', async () => {
    const { mailer, runner, tasks } = await start({ queues: { emails: { concurrency: 1 } } });
    runner.addTask({ queue: 'emails' }, async () => mailer.sendWelcome('inner'));
    await tasks.whenIdle();
    expect(mailer.sent).toEqual(['inner']);
  });

  it('has no mode for drain() and runNext()', async () => {
    const { tasks } = await start();
    await expect(tasks.drain()).rejects.toThrow(
      "drain() needs mode 'manual'. In mode 'inline' tasks run by themselves: await whenIdle().",
    );
  });
});

describe("the kit in mode 'fake'", () => {
  it('never runs anything, and lists what was added', async () => {
    const { mailer, runner, tasks, module } = await startApp('fake');
    await mailer.sendWelcome(1);
    runner.addTask({ delay: '1s' }, mailer.plain);
    await tasks.advance('1d');
    await tasks.whenIdle();
    expect(tasks.added).toMatchObject([
      { name: 'Mailer.sendWelcome', queue: 'emails', args: [1], status: 'queued', delayMs: 0 },
      { name: 'plain', status: 'queued', delayMs: 1000 },
    ]);
    await expect(tasks.runNext()).rejects.toThrow("In mode 'fake' no task ever runs.");
    await module.close();
    expect(mailer.sent).toEqual([]);
    expect(tasks.added.map(({ status }) => status)).toEqual(['cancelled', 'cancelled']);
  });
});

describe('O17: the kit beside fake timers', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it("drains, advances and ends in mode 'manual'", async () => {
    const { mailer, tasks, module } = await startApp('manual');
    mailer.failures = 1;
    await mailer.sendWelcome('ada');
    await tasks.drain();
    expect(mailer.sent).toEqual([]);
    await tasks.advance('10s');
    expect(mailer.sent).toEqual(['ada']);
    await expect(tasks.runNext()).resolves.toBeUndefined();
    await module.close();
  });

  it("is idle in mode 'inline'", async () => {
    const { mailer, tasks, module } = await startApp('inline');
    mailer.failures = 2;
    await mailer.sendWelcome('ada');
    await tasks.whenIdle();
    expect(mailer.sent).toEqual(['ada']);
    await module.close();
  });

  it('says what is stuck', async () => {
    const { mailer, tasks, module } = await startApp({ mode: 'manual', patience: 10 });
    mailer.gate = new Promise(() => undefined);
    await mailer.sendWelcome('ada');
    await expect(tasks.drain()).rejects.toThrow(/not idle after 10 ms/);
    await module.close();
  });
});

describe('O17: a mock in the place of a provider, on a queue that is stored in production', () => {
  let module: TestingModule;
  afterEach(() => module.close());

  it.each<[string, () => (id: string) => void]>([
    ['jest', () => jest.fn<(id: string) => void>()],
    ['sinon', () => Object.assign((): void => undefined, { isSinonProxy: true })],
  ])('is a task as any other: %s', async (_, mock) => {
    @Injectable()
    class Mailer {
      @Background()
      async send(_id: string): Promise<void> {
        // Nothing is sent.
      }
    }

    @Injectable()
    class Users {
      constructor(
        private readonly runner: TaskRunner,
        @Inject(Mailer) private readonly mailer: Mailer,
      ) {}

      add(id: string): void {
        this.runner.addTask(this.mailer.send, id);
      }
    }

    @Module({
      imports: [
        BackgroundTasksModule.forRoot({ engine: journal({ path: '/dev/null/never-opened' }) }),
      ],
      providers: [Mailer, Users],
    })
    class AppModule {}

    const send = mock();
    const tasks = new BackgroundTasksTesting('manual');
    module = await tasks
      .install(Test.createTestingModule({ imports: [AppModule] }))
      .overrideProvider(Mailer)
      .useValue({ send })
      .compile();
    await module.init();
    module.get(Users).add('ada');
    expect(tasks.expectAdded(send, ['ada']).status).toBe('queued');
    expect(await tasks.drain()).toMatchObject([{ verdict: 'completed', args: ['ada'] }]);
    expect(() => module.get(TaskRunner).addTask(() => undefined)).toThrow(/plain function/);
  });
});
