/* oxlint-disable typescript/unbound-method -- it is only listed, never called */
import { afterEach, describe, expect, it } from '@jest/globals';
import { startApp, type TestApp } from './support.js';

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

  it('does not make the caller of a method wait for a paused queue', async () => {
    const { mailer, runner, tasks } = await start();
    await runner.pause('emails');
    await mailer.sendWelcome(1);
    await runner.resume('emails');
    await tasks.whenIdle();
    expect(mailer.sent).toEqual([1]);
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
