/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Background, NotStorableError, TransactionError } from 'nestjs-background-tasks';
import { bullmq } from 'nestjs-background-tasks/bullmq';
import { journal } from 'nestjs-background-tasks/journal';
import {
  BackgroundTasksTesting,
  type TestingMode,
  type TestingOptions,
} from 'nestjs-background-tasks/testing';
import { Mailer, type TestApp, startApp, startAppWith } from './support.js';

function notify(_email: string): void {
  // Only its name and arguments matter.
}

describe('the expectations of the kit', () => {
  let app: TestApp;

  beforeAll(async () => {
    app = await startApp('fake');
  });
  beforeEach(() => app.tasks.clear());
  afterAll(() => app.module.close());

  it('find a task by class, method and arguments', async () => {
    const { tasks, mailer } = app;
    await mailer.sendWelcome({ id: 7, tags: ['a'] });
    expect(tasks.expectAdded(Mailer, 'sendWelcome').queue).toBe('emails');
    tasks.expectAdded(Mailer, 'sendWelcome', [{ id: 7, tags: ['a'] }]);
    tasks.expectAdded(Mailer, 'sendWelcome', [{ id: expect.any(Number), tags: ['a'] }]);
    tasks.expectAdded('Mailer.sendWelcome');
  });

  it.each([[[{ id: 8, tags: ['a'] }]], [[{ id: 7, tags: ['a'] }, 2]], [[expect.any(String)]]])(
    'do not take other arguments: %j',
    async (args) => {
      await app.mailer.sendWelcome({ id: 7, tags: ['a'] });
      expect(() => app.tasks.expectAdded(Mailer, 'sendWelcome', args)).toThrow('Added instead:');
    },
  );

  it('list what was added instead', async () => {
    const { tasks, mailer, runner } = app;
    await mailer.sendWelcome('ada');
    runner.addTask({ priority: 'high' }, notify, 'x\ny');
    expect(() => tasks.expectAdded(Mailer, 'sendWelcome', ['bob'])).toThrow(
      new Error(
        "Expected the task Mailer.sendWelcome('bob') to have been added. Added instead:\n" +
          "  1. Mailer.sendWelcome('ada') (queue emails, queued)\n" +
          "  2. notify('x\\ny') (queue default, queued)",
      ),
    );
  });

  it.each<[string, (tasks: BackgroundTasksTesting) => unknown]>([
    ['expectAdded()', (tasks) => tasks.expectAdded(notify)],
    ['drain()', (tasks) => tasks.drain()],
  ])('refuse %s of a kit that is in no application', async (_, call) => {
    const tasks = new BackgroundTasksTesting('manual');
    await expect(Promise.resolve(tasks).then(call)).rejects.toThrow(
      'This BackgroundTasksTesting is in no application: pass what Test.createTestingModule() ' +
        'returned to install(), and compile it.',
    );
  });

  it('refuse a method that is no task, whose name is most likely misspelt', () => {
    expect(() => app.tasks.expectAdded(Mailer, 'plain')).toThrow(
      new Error('Mailer.plain is not a @Background() method.'),
    );
    expect(() => app.tasks.expectNone(Mailer, 'sendWelcom')).toThrow(
      new Error(
        'Mailer.sendWelcom is not a @Background() method. Did you mean Mailer.sendWelcome?',
      ),
    );
  });

  it('expect nothing, or nothing of a kind', async () => {
    const { tasks, mailer } = app;
    tasks.expectNone();
    await mailer.sendWelcome('ada');
    tasks.expectNone(notify);
    tasks.expectNone(Mailer, 'sendWelcome', ['bob']);
    expect(() => tasks.expectNone()).toThrow(
      new Error(
        'Expected no task to have been added. Added:\n' +
          "  1. Mailer.sendWelcome('ada') (queue emails, queued)",
      ),
    );
    expect(() => tasks.expectNone(Mailer, 'sendWelcome')).toThrow(
      'Expected no task Mailer.sendWelcome to have been added.',
    );
  });

  it.each([
    ['real', "'real'"],
    [undefined, 'undefined'],
  ])('refuse %p, which is no mode', (options, received) => {
    expect(() => new BackgroundTasksTesting(options as TestingMode)).toThrow(
      expect.objectContaining({
        name: 'InvalidOptionError',
        message: `Option "mode": expected one of 'inline', 'manual', 'fake', got ${received}.`,
      }),
    );
  });

  it.each([
    [{ patiance: '1s' }, 'Unknown option "patiance". Did you mean "patience"?'],
    [{ patience: '1 s' }, 'Option "patience": expected milliseconds or'],
    [{ durableQueues: 'emails' }, 'Option "durableQueues": expected an array'],
    [{ durableQueues: ['email'] }, 'Unknown queue "email". Did you mean "emails"?'],
  ])('refuse an option that means nothing: %j', async (option, message) => {
    const options = { mode: 'manual', ...option } as TestingOptions;
    await expect(startApp(options)).rejects.toThrow(message);
  });
});

describe('on a queue that stores', () => {
  @Injectable()
  class DurableMailer {
    readonly sent: unknown[] = [];

    @Background({ queue: 'emails' })
    async sendWelcome(user: unknown): Promise<void> {
      this.sent.push(user);
    }
  }

  /** Nobody listens there, and no such folder can be made: an engine that is opened would say so. */
  const ENGINES = {
    journal: journal({ path: '/dev/null/tasks' }),
    'BullMQ on Redis': bullmq({ connection: 'redis://127.0.0.1:1' }),
    'BullMQ on PostgreSQL': bullmq({ connection: 'postgres://127.0.0.1:1/none' }),
  };

  describe.each(Object.entries(ENGINES))('the kit in the place of %s', (_name, engine) => {
    let app: TestApp<DurableMailer>;

    afterEach(() => app.module.close());

    it.each([
      ['the module', { engine }],
      ['a queue', { queues: { emails: { engine } } }],
    ])('runs the tasks of %s itself, and opens no store', async (_, options) => {
      app = await startAppWith(DurableMailer, 'manual', options);
      await app.mailer.sendWelcome('ada');
      expect(app.mailer.sent).toEqual([]);
      await app.tasks.drain();
      expect(app.mailer.sent).toEqual(['ada']);
    });

    it('gives the task a copy of its arguments, made through JSON', async () => {
      app = await startAppWith(DurableMailer, 'manual', { engine });
      const user = { name: 'ada', age: undefined as number | undefined };
      await app.mailer.sendWelcome(user);
      user.name = 'changed meanwhile';
      await app.tasks.drain();
      expect(app.mailer.sent).toStrictEqual([{ name: 'ada' }]);
    });

    it('refuses what could not be stored', async () => {
      app = await startAppWith(DurableMailer, 'inline', { engine });
      const { mailer, runner } = app;
      await expect(async () => mailer.sendWelcome(new Date())).rejects.toThrow('args[0] is a Date');
      expect(() => runner.addTask(() => undefined)).toThrow(NotStorableError);
      app.tasks.expectNone();
    });
  });

  describe('the kit and transactions', () => {
    let app: TestApp<DurableMailer>;

    const client = { query: () => Promise.reject(new Error('nothing is to be sent')) };

    afterEach(() => app.module.close());

    it('adds the task at once, which is not part of any', async () => {
      app = await startAppWith(DurableMailer, 'manual', {
        engine: ENGINES['BullMQ on PostgreSQL'],
      });
      const { mailer, runner, tasks } = app;
      const id = await runner.using(client).addTask(mailer.sendWelcome, 'ada');
      expect(tasks.added[0]?.id).toBe(id);
      await tasks.drain();
      expect(mailer.sent).toEqual(['ada']);
      expect((await runner.stats()).queues['emails']).toMatchObject({ pending: 0, completed: 1 });
    });

    it.each(['journal', 'BullMQ on Redis'] as const)('refuses it for %s', async (name) => {
      app = await startAppWith(DurableMailer, 'manual', { engine: ENGINES[name] });
      const adding = app.runner.using(client).addTask(app.mailer.sendWelcome, 'ada');
      await expect(adding).rejects.toBeInstanceOf(TransactionError);
      app.tasks.expectNone();
    });
  });
});
