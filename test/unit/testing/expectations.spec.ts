/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { BackgroundTasksTesting, type TestingMode } from 'nestjs-background-tasks/testing';
import { Mailer, startApp, type TestApp } from './support.js';

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

  it.each([
    [[{ id: 8, tags: ['a'] }]],
    [[{ id: 7, tags: [] }]],
    [[{ id: 7 }]],
    [[{ id: 7, tags: ['a'] }, 2]],
    [[expect.any(String)]],
  ])('do not take other arguments: %j', async (args) => {
    await app.mailer.sendWelcome({ id: 7, tags: ['a'] });
    expect(() => app.tasks.expectAdded(Mailer, 'sendWelcome', args)).toThrow('Added instead:');
  });

  it('find a function that was added, and no other of its name', () => {
    const { tasks, runner } = app;
    runner.addTask(notify, 'ada@example.com');
    tasks.expectAdded(notify, ['ada@example.com']);
    const other = { notify: (): void => undefined }.notify;
    expect(() => tasks.expectAdded(other)).toThrow('Expected the task notify to have been added.');
  });

  it('find a method that was passed to addTask()', () => {
    app.runner.addTask(app.mailer.sendWelcome, 1);
    expect(app.tasks.expectAdded(Mailer, 'sendWelcome', [1])).toMatchObject({ args: [1] });
    expect(app.tasks.expectAdded(app.mailer.sendWelcome, [1])).toMatchObject({ args: [1] });
  });

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

  it('say so where nothing was added', () => {
    expect(() => app.tasks.expectAdded(notify)).toThrow(
      new Error('Expected the task notify to have been added. No task was added.'),
    );
  });

  it.each<[string, (tasks: BackgroundTasksTesting) => unknown]>([
    ['expectAdded()', (tasks) => tasks.expectAdded(notify)],
    ['expectNone()', (tasks) => tasks.expectNone()],
    ['drain()', (tasks) => tasks.drain()],
    ['advance()', (tasks) => tasks.advance('1s')],
  ])('refuse %s of a kit that is in no application', async (_, call) => {
    const tasks = new BackgroundTasksTesting('manual');
    await expect(Promise.resolve(tasks).then(call)).rejects.toThrow(
      'These BackgroundTasksTesting are in no application: pass what Test.createTestingModule() ' +
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

  it('list what was added so that it can be read', async () => {
    await app.mailer.sendWelcome('ada');
    const [task] = app.tasks.added;
    expect(inspect(task, { breakLength: Number.POSITIVE_INFINITY })).toBe(
      `{ id: '${task?.id}', name: 'Mailer.sendWelcome', queue: 'emails', args: [ 'ada' ], ` +
        "status: 'queued', attempts: 0, outcome: undefined }",
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
    [null, 'null'],
    [{}, 'undefined'],
  ])('refuse %p, which is no mode', (options, received) => {
    expect(() => new BackgroundTasksTesting(options as TestingMode)).toThrow(
      expect.objectContaining({
        name: 'InvalidOptionError',
        message: `Option "mode": expected one of 'inline', 'manual', 'fake', got ${received}.`,
      }),
    );
  });

  it('refuse durations that are none', async () => {
    await expect(app.tasks.advance('soon' as '1s')).rejects.toThrow('advance(duration)');
  });
});
