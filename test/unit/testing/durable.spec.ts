import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  Background,
  BackgroundTasksModule,
  NotStorableError,
  TaskRunner,
  TransactionError,
  type BackgroundTasksOptions,
} from 'nestjs-background-tasks';
import { bullmq } from 'nestjs-background-tasks/bullmq';
import { journal } from 'nestjs-background-tasks/journal';
import { BackgroundTasksTesting, type TestingMode } from 'nestjs-background-tasks/testing';

const silence = (): void => undefined;

@Injectable()
class Mailer {
  readonly sent: unknown[] = [];

  @Background({ queue: 'emails' })
  async sendWelcome(user: unknown): Promise<void> {
    this.sent.push(user);
  }
}

interface TestApp {
  readonly tasks: BackgroundTasksTesting;
  readonly module: TestingModule;
  readonly mailer: Mailer;
  readonly runner: TaskRunner;
}

async function startApp(mode: TestingMode, options: BackgroundTasksOptions): Promise<TestApp> {
  @Module({
    imports: [BackgroundTasksModule.forRoot({ queues: { emails: {} }, ...options })],
    providers: [Mailer],
  })
  class AppModule {}

  const tasks = new BackgroundTasksTesting(mode);
  const module = await tasks
    .install(Test.createTestingModule({ imports: [AppModule] }))
    .setLogger({ log: silence, warn: silence, error: silence })
    .compile();
  await module.init();
  return { tasks, module, mailer: module.get(Mailer), runner: module.get(TaskRunner) };
}

/** Nobody listens there, and no such folder can be made: an engine that is opened would say so. */
const ENGINES = {
  journal: journal({ path: '/dev/null/tasks' }),
  'BullMQ on Redis': bullmq({ connection: 'redis://127.0.0.1:1' }),
  'BullMQ on PostgreSQL': bullmq({ connection: 'postgres://127.0.0.1:1/none' }),
};

describe.each(Object.entries(ENGINES))('the kit in the place of %s', (_name, engine) => {
  let app: TestApp;

  afterEach(() => app.module.close());

  it.each([
    ['the module', { engine }],
    ['a queue', { queues: { emails: { engine } } }],
  ])('runs the tasks of %s itself, and opens no store', async (_, options) => {
    app = await startApp('manual', options);
    await app.mailer.sendWelcome('ada');
    expect(app.mailer.sent).toEqual([]);
    await app.tasks.drain();
    expect(app.mailer.sent).toEqual(['ada']);
  });

  it('gives the task a copy of its arguments, made through JSON', async () => {
    app = await startApp('manual', { engine });
    const user = { name: 'ada', age: undefined as number | undefined };
    await app.mailer.sendWelcome(user);
    user.name = 'changed meanwhile';
    await app.tasks.drain();
    expect(app.mailer.sent).toStrictEqual([{ name: 'ada' }]);
  });

  it('refuses what could not be stored', async () => {
    app = await startApp('inline', { engine });
    const { mailer, runner } = app;
    await expect(async () => mailer.sendWelcome(new Date())).rejects.toThrow('args[0] is a Date');
    expect(() => runner.addTask(() => undefined)).toThrow(NotStorableError);
    app.tasks.expectNone();
  });

  it('leaves the other queues in memory as they are', async () => {
    app = await startApp('manual', { queues: { emails: { engine } } });
    const date = new Date(0);
    const seen: unknown[] = [];
    app.runner.addTask((at: Date) => void seen.push(at), date);
    await app.tasks.drain();
    expect(seen).toEqual([date]);
  });
});

describe('the kit and transactions', () => {
  let app: TestApp;

  const client = { query: () => Promise.reject(new Error('nothing is to be sent')) };

  afterEach(() => app.module.close());

  it('adds the task at once, which is not part of any', async () => {
    app = await startApp('manual', { engine: ENGINES['BullMQ on PostgreSQL'] });
    const { mailer, runner, tasks } = app;
    const id = await runner.using(client).addTask(mailer.sendWelcome, 'ada');
    expect(tasks.added[0]?.id).toBe(id);
    await tasks.drain();
    expect(mailer.sent).toEqual(['ada']);
    expect((await runner.stats()).queues['emails']).toMatchObject({ pending: 0, completed: 1 });
  });

  it.each(['journal', 'BullMQ on Redis'] as const)('refuses it for %s', async (name) => {
    app = await startApp('manual', { engine: ENGINES[name] });
    const adding = app.runner.using(client).addTask(app.mailer.sendWelcome, 'ada');
    await expect(adding).rejects.toBeInstanceOf(TransactionError);
    app.tasks.expectNone();
  });
});
