import { describe, expect, it } from '@jest/globals';
import { currentTask } from '../../../lib/index.js';
import { Deferred } from '../support/deferred.js';
import { createKit } from '../support/kit.js';

const heedSignal = (): Promise<never> => {
  const { signal } = currentTask();
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });
};
const hang = (): Promise<never> => new Promise(() => undefined);

describe('P10: a timeout', () => {
  it('leaves a task alone that ends before it', async () => {
    const { clock, runner } = createKit();
    let signal: AbortSignal | undefined;
    const handle = runner.addTask({ timeout: '5s' }, async () => {
      ({ signal } = currentTask());
      await clock.sleep(4999);
    });
    await clock.advance(1e6);
    expect(handle.status).toBe('completed');
    expect(signal?.aborted).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });

  it('aborts the signal and fails the attempt, exactly then', async () => {
    const { clock, runner } = createKit();
    let signal: AbortSignal | undefined;
    const handle = runner.addTask({ name: 'report', timeout: '5s' }, () => {
      ({ signal } = currentTask());
      return heedSignal();
    });
    await clock.advance(4999);
    expect(handle.status).toBe('running');
    expect(signal?.aborted).toBe(false);

    await clock.advance(1);
    expect(signal?.aborted).toBe(true);
    const outcome = await handle.whenSettled();
    expect(outcome).toMatchObject({
      status: 'failed',
      attempts: 1,
      durationMs: 5000,
      error: {
        name: 'TaskTimeoutError',
        code: 'BGT_TIMEOUT',
        taskName: 'report',
        timeoutMs: 5000,
        message: 'Task "report" was still running after its timeout of 5000 ms.',
      },
    });
    expect(outcome).toHaveProperty('error', signal?.reason);
  });

  it('frees the slot where the body ignores it, and says so', async () => {
    const { clock, runner, logger } = createKit({ queues: { default: { concurrency: 1 } } });
    const hanging = runner.addTask({ name: 'deaf', timeout: '1s' }, hang);
    const next = runner.addTask({ name: 'next' }, () => undefined);
    await clock.advance(999);
    expect(next.status).toBe('queued');
    await clock.advance(1);
    expect(hanging.status).toBe('failed');
    expect(next.status).toBe('completed');
    expect(logger.of('warn')).toEqual([
      `Task deaf (${hanging.id}) timed out, but its body goes on: it does not heed its signal. ` +
        'Its slot is free again.',
    ]);
  });

  it('does not call a body deaf that ends on the signal', async () => {
    const { clock, runner, logger } = createKit();
    runner.addTask({ timeout: '1s' }, heedSignal);
    runner.addTask({ timeout: '1s' }, async () => {
      await heedSignal().catch(async () => {
        await Promise.resolve(); // some tidying up
        throw new Error('given up');
      });
    });
    await clock.advance(1e6);
    expect(logger.of('error')).toHaveLength(2);
    expect(logger.of('warn')).toEqual([]);
  });

  it.each(['resolve', 'reject'] as const)(
    'has decided: a body that goes on to %s changes nothing',
    async (how) => {
      const { clock, runner, logger } = createKit();
      const body = new Deferred<unknown>();
      const recorded: string[] = [];
      runner.events.subscribe(({ type }) => recorded.push(type));
      const handle = runner.addTask({ timeout: '1s' }, () => body.promise);
      await clock.advance(1000);
      const outcome = await handle.whenSettled();

      body[how](new Error('too late'));
      await clock.advance(1e6);
      expect(await handle.whenSettled()).toBe(outcome);
      expect(outcome).toMatchObject({ error: { code: 'BGT_TIMEOUT' } });
      expect(recorded).toEqual(['added', 'queued', 'started', 'failed']);
      expect(logger.of('error')).toHaveLength(1);
    },
  );

  it('starts with the attempt, not with the wait for it', async () => {
    const { clock, runner } = createKit({ queues: { default: { concurrency: 1 } } });
    runner.addTask(() => clock.sleep(5000));
    const handle = runner.addTask({ timeout: '1s', delay: '2s' }, () => clock.sleep(999));
    await clock.advance(1e6);
    expect(handle.status).toBe('completed');
  });

  it('that fires while the body has just ended does not count', async () => {
    const { clock, runner } = createKit();
    // Both timers are due at once: the body's was made later, so the timeout's callback comes first.
    const late = runner.addTask({ timeout: '1s' }, () => clock.sleep(1000));
    const sleeping = clock.sleep(1000);
    const early = runner.addTask({ timeout: '1s' }, () => sleeping);
    await clock.advance(1e6);
    expect([late.status, early.status]).toEqual(['failed', 'completed']);
  });

  it('leaves no timer behind, whichever way the attempt ended', async () => {
    const { clock, runner } = createKit();
    runner.addTask({ timeout: '1h' }, () => undefined);
    runner.addTask({ timeout: '1h' }, () => Promise.reject(new Error('no')));
    const cancelled = runner.addTask({ timeout: '1h' }, hang);
    await clock.settle();
    await cancelled.cancel();
    await clock.settle();
    expect(clock.pendingTimers).toBe(0);
  });
});
