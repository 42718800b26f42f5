import { describe, expect, it } from '@jest/globals';
import { currentTask, type CurrentTask } from '../../../lib/index.js';
import { createKit } from '../support/kit.js';

describe('currentTask() inside a task', () => {
  it('tells who it is', async () => {
    const { clock, runner } = createKit({ queues: { mails: {} } });
    const seen: CurrentTask[] = [];
    const handle = runner.addTask(
      { name: 'welcome', queue: 'mails', retry: { attempts: 3 } },
      async () => {
        await clock.sleep(1);
        seen.push(currentTask());
        throw new Error('no');
      },
    );
    await clock.advance(1e6);
    const common = { id: handle.id, name: 'welcome', queue: 'mails', maxAttempts: 3 };
    expect(seen).toMatchObject([
      { ...common, attempt: 1 },
      { ...common, attempt: 2 },
      { ...common, attempt: 3 },
    ]);
    expect(handle.id).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
  });

  it('is each task’s own, however they interleave', async () => {
    const { clock, runner } = createKit();
    const mixedUp: string[] = [];
    const names = Array.from({ length: 10 }, (_, index) => `task ${index}`);
    for (const [index, name] of names.entries()) {
      runner.addTask({ name }, async () => {
        for (let step = 0; step < 5; step++) {
          await clock.sleep(1 + ((index * 7 + step) % 5));
          if (currentTask().name !== name) {
            mixedUp.push(name);
          }
        }
      });
    }
    await clock.advance(1e6);
    expect(mixedUp).toEqual([]);
  });

  it('tells its own attempt to a body that asks when the next one is under way', async () => {
    const { clock, runner } = createKit();
    const attempts: number[] = [];
    runner.addTask({ timeout: 10, retry: { attempts: 2, delay: 0 } }, async () => {
      await clock.sleep(15);
      attempts.push(currentTask().attempt);
    });
    await clock.advance(100);
    expect(attempts).toEqual([1, 2]);
  });

  it('gives a signal that has aborted already to a body that asks too late', async () => {
    const { clock, runner } = createKit();
    let late: AbortSignal | undefined;
    const handle = runner.addTask({ name: 'slow', timeout: '1s' }, async () => {
      await clock.sleep(5000);
      late = currentTask().signal;
    });
    await clock.advance(1e6);
    expect(late?.aborted).toBe(true);
    expect(late?.reason).toMatchObject({ code: 'BGT_TIMEOUT', taskName: 'slow' });
    expect(await handle.whenSettled()).toMatchObject({ error: late?.reason as unknown });
  });

  it('writes lines to the log, with name and id', async () => {
    const { clock, runner, logger } = createKit();
    const handle = runner.addTask({ name: 'import' }, () => currentTask().log('half way'));
    await clock.settle();
    expect(logger.of('log')).toEqual([`Task import (${handle.id}): half way`]);
  });
});

describe('currentTask() outside of any task', () => {
  it('is a first and only attempt without an id, which nothing aborts', () => {
    const { signal, progress, log, ...rest } = currentTask();
    expect(rest).toEqual({ id: '', name: '', queue: '', attempt: 1, maxAttempts: 1 });
    expect(signal.aborted).toBe(false);
    expect(progress(0.5)).toBeUndefined();
    expect(log('nobody reads this')).toBeUndefined();
  });
});
