/* oxlint-disable typescript/unbound-method -- it is only listed, never called */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { Background, TaskRunner } from 'nestjs-background-tasks';
import { journal } from 'nestjs-background-tasks/journal';
import { BackgroundTasksTesting, type TestingOptions } from 'nestjs-background-tasks/testing';
import { rootModule } from '../../e2e/support/root-module.js';
import { Deferred } from '../../support/deferred.js';
import { type TestApp, startApp } from './support.js';

describe("the kit in mode 'manual'", () => {
  let app: TestApp;

  afterEach(() => app.module.close());

  const start = async (
    options?: Parameters<typeof startApp>[1],
    testing?: Partial<TestingOptions>,
  ): Promise<TestApp> => (app = await startApp({ mode: 'manual', ...testing }, options));

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

  it('times out a body that waits for the clock', async () => {
    const { runner, tasks } = await start();
    runner.addTask({ timeout: '30s' }, () => new Promise(() => undefined));
    const attempt = tasks.runNext();
    await tasks.advance('31s');
    expect(await attempt).toMatchObject({ verdict: 'failed', error: { code: 'BGT_TIMEOUT' } });
  });

  it('says which task does not end', async () => {
    const { mailer, tasks } = await start({}, { patience: '50ms' });
    const gate = new Deferred();
    mailer.gate = gate.promise;
    await mailer.sendWelcome('ada');
    await expect(tasks.drain()).rejects.toThrow(
      /not idle after 50 ms\. A running task does not end.*\n {2}1\. Mailer\.sendWelcome\('ada'\) \(queue emails, running\)$/,
    );
    gate.resolve();
  });
});

describe("the kit in mode 'inline'", () => {
  let app: TestApp;

  afterEach(() => app.module.close());

  const start = async (options?: Parameters<typeof startApp>[1]): Promise<TestApp> =>
    (app = await startApp('inline', options));

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
});

it("the kit in mode 'fake' never runs anything, and lists what was added", async () => {
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
      async send(_id: string): Promise<void> {}
    }

    const engine = journal({ path: '/dev/null/never-opened' });
    const root = rootModule({ options: { engine }, providers: [Mailer] });
    const send = mock();
    const tasks = new BackgroundTasksTesting('manual');
    module = await tasks
      .install(Test.createTestingModule({ imports: [root] }))
      .overrideProvider(Mailer)
      .useValue({ send })
      .compile();
    await module.init();
    const runner = module.get(TaskRunner);
    runner.addTask(module.get(Mailer).send, 'ada');
    expect(tasks.expectAdded(send, ['ada']).status).toBe('queued');
    expect(await tasks.drain()).toMatchObject([{ verdict: 'completed', args: ['ada'] }]);
    expect(() => runner.addTask(() => undefined)).toThrow(/plain function/);
  });
});
