import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Inject, Injectable, Module } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { Background, BackgroundTasksModule, TaskRunner } from 'nestjs-background-tasks';
import { journal } from 'nestjs-background-tasks/journal';
import { BackgroundTasksTesting } from 'nestjs-background-tasks/testing';
import { startApp } from './support.js';

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
