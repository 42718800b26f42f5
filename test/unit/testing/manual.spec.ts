import { afterEach, describe, expect, it } from '@jest/globals';
import { currentTask } from 'nestjs-background-tasks';
import type { TestingOptions } from 'nestjs-background-tasks/testing';
import { Deferred } from '../support/deferred.js';
import { startApp, type TestApp } from './support.js';

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

  it('keeps to the limits of the queues', async () => {
    const { runner, tasks } = await start({ queues: { one: { concurrency: 1 } } });
    let running = 0;
    let most = 0;
    for (let index = 0; index < 5; index += 1) {
      runner.addTask({ queue: 'one' }, async () => {
        most = Math.max(most, (running += 1));
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
      });
    }
    expect(await tasks.drain()).toHaveLength(5);
    expect(most).toBe(1);
  });

  it('keeps batches until they have waited', async () => {
    const { mailer, tasks } = await start();
    await mailer.sendAll(['a']);
    await mailer.sendAll(['b', 'c']);
    expect(await tasks.drain()).toEqual([]);
    await tasks.advance('5s');
    expect(mailer.sent).toEqual([['a', 'b', 'c']]);
  });

  it('leaves the tasks of a paused queue alone', async () => {
    const { runner, mailer, tasks } = await start();
    await runner.pause('emails');
    await mailer.sendWelcome(1);
    expect(await tasks.drain()).toEqual([]);
    await runner.resume('emails');
    expect(await tasks.drain()).toHaveLength(1);
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

  it('gives a durable queue its arguments as JSON would', async () => {
    const { mailer, runner, tasks } = await start({}, { durableQueues: ['emails'] });
    const date = new Date(0);
    await mailer.sendWelcome(date);
    runner.addTask((at: Date) => void at.getTime(), date);
    expect(tasks.added.map(({ args }) => args)).toEqual([['1970-01-01T00:00:00.000Z'], [date]]);
    await expect(async () => mailer.sendWelcome(1n)).rejects.toThrow('its arguments are not JSON');
    await tasks.drain();
    expect(mailer.sent).toEqual(['1970-01-01T00:00:00.000Z']);
  });
});
