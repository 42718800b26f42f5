import { afterEach, describe, expect, it } from '@jest/globals';
import { NotStorableError, TransactionError } from 'nestjs-background-tasks';
import { bullmq } from 'nestjs-background-tasks/bullmq';
import { journal } from 'nestjs-background-tasks/journal';
import { startApp, type TestApp } from './support.js';

/** Nobody listens there, and no such folder can be made: an engine that is opened would say so. */
const ENGINES = {
  journal: journal({ path: '/dev/null/tasks' }),
  'BullMQ on Redis': bullmq({ connection: 'redis://127.0.0.1:1' }),
  'BullMQ on PostgreSQL': bullmq({ connection: 'postgres://127.0.0.1:1/none' }),
};

describe.each(Object.entries(ENGINES))('the kit in the place of %s', (name, engine) => {
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

  it('adds the tasks of a transaction where it could', async () => {
    app = await startApp('manual', { queues: { emails: { engine } } });
    const { mailer, runner, tasks } = app;
    const client = { query: () => Promise.reject(new Error('nothing is sent')) };
    const adding = runner.using(client).addTask(mailer.sendWelcome, 'ada');
    if (name === 'BullMQ on PostgreSQL') {
      const id = await adding;
      expect(tasks.added[0]?.id).toBe(id);
      await tasks.drain();
      expect(mailer.sent).toEqual(['ada']);
      expect((await runner.stats()).queues['emails']).toMatchObject({ pending: 0, completed: 1 });
    } else {
      await expect(adding).rejects.toBeInstanceOf(TransactionError);
    }
  });
});
