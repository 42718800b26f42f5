import { describe, expect, it } from '@jest/globals';
import { currentTask } from '../../../lib/index.js';
import { createApp } from '../support/app.js';

/** What the log says at debug about the task of `work`, without its id. */
async function linesAbout(
  work: (app: Awaited<ReturnType<typeof createApp>>) => Promise<unknown>,
): Promise<string[]> {
  const app = await createApp({}, { logEvents: true });
  await work(app);
  return app.logger.of('debug').map((line) => line.replace(/^Task mail \(\S+\) /, ''));
}

describe('the lines at debug', () => {
  it('tell the life of a task that completes', async () => {
    const lines = await linesAbout(({ runner, clock }) => {
      runner.addTask({ name: 'mail' }, async () => {
        currentTask().progress(0.5);
        await clock.sleep(20);
      });
      return clock.advance(100);
    });
    expect(lines).toEqual([
      'was added to default',
      'was released',
      'started, attempt 1',
      'reported progress',
      'completed in 20 ms',
    ]);
  });

  it('tell that one was cancelled', async () => {
    const lines = await linesAbout(async ({ runner }) => {
      await runner.addTask({ name: 'mail', delay: '1h' }, () => undefined).cancel();
    });
    expect(lines).toEqual(['was added to default', 'was released', 'was cancelled']);
  });

  it('do not repeat what is said elsewhere: failures, retries, drops', async () => {
    const lines = await linesAbout(async ({ runner, clock, handle }) => {
      runner.addTask({ name: 'mail', retry: { attempts: 2, delay: 1 } }, () =>
        Promise.reject(new Error('no')),
      );
      await clock.advance(1_000);
      const dropped = handle((tasks) => {
        tasks.addTask({ name: 'mail', when: 'failure' }, () => undefined);
      });
      await dropped;
    });
    expect(lines).toEqual([
      'was added to default',
      'was released',
      'started, attempt 1',
      'started, attempt 2',
      'was added to default',
      'was dropped: the handler of its request completed',
    ]);
  });

  it('are not there unless they are asked for', async () => {
    const { runner, clock, logger } = await createApp();
    runner.addTask(() => undefined);
    await clock.settle();
    expect(logger.of('debug')).toEqual([]);
  });
});
