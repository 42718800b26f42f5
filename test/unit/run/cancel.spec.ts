import { describe, expect, it, jest } from '@jest/globals';
import { type TaskHandle, currentTask } from '../../../lib/index.js';
import { Deferred } from '../../support/deferred.js';
import { createKit } from '../support/kit.js';

const hang = (): Promise<never> => new Promise(() => undefined);

/** What was announced about one task, in order. */
function announcementsOf({ id }: TaskHandle, events: readonly { id: string; type: string }[]) {
  const own = events.filter((event) => event.id === id);
  return own.map(({ type }) => type).join(' ');
}

describe('cancel() of a task that waits for its next attempt', () => {
  it('settles it with the attempts it had, and calls its timer off', async () => {
    const { clock, runner, logger, record } = createKit();
    const events = record();
    const body = jest.fn(() => Promise.reject(new Error('no')));
    const handle = runner.addTask({ retry: { attempts: 9, delay: '1m' } }, body);
    await clock.settle();
    expect(handle.status).toBe('retrying');

    expect(await handle.cancel()).toBe(true);
    expect(await handle.whenSettled()).toEqual({ status: 'cancelled', attempts: 1 });
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(1e9);
    expect(body).toHaveBeenCalledTimes(1);
    expect(logger.of('error')).toEqual([]);
    expect(announcementsOf(handle, events)).toBe('added queued started retrying cancelled');
  });
});

describe('cancel() of a running task', () => {
  it('frees the slot where the body ignores it, and says so', async () => {
    const { clock, runner, logger } = createKit({ queues: { default: { concurrency: 1 } } });
    const deaf = runner.addTask({ name: 'deaf' }, hang);
    const next = runner.addTask(() => undefined);
    await clock.settle();
    await deaf.cancel();
    await clock.settle();
    expect(next.status).toBe('completed');
    expect(logger.of('warn')).toEqual([
      `Task deaf (${deaf.id}) was cancelled, but its body goes on: it ignores its signal. ` +
        'Its slot is free again.',
    ]);
  });
});

/** A task settles once: whoever comes later, however soon, finds it settled. */
describe('cancel() in the moment when something else ends the task', () => {
  it.each([0, 1, 2, 3, 4, 5])(
    'does not settle it twice, %d microtasks after its body returned',
    async (microtasks) => {
      const { clock, runner, record } = createKit();
      const events = record();
      const body = new Deferred();
      const handle = runner.addTask(() => body.promise);
      await clock.settle();
      body.resolve();
      for (let passed = 0; passed < microtasks; passed++) {
        await Promise.resolve();
      }
      const isCancelled = await handle.cancel();
      await clock.settle();
      const outcome = await handle.whenSettled();
      expect(outcome.status).toBe(isCancelled ? 'cancelled' : 'completed');
      expect(handle.status).toBe(outcome.status);
      expect(announcementsOf(handle, events)).toBe(`added queued started ${outcome.status}`);
    },
  );

  it.each([0, 1, 2, 3, 4, 5])(
    'leaves no further attempt, %d microtasks after its body threw',
    async (microtasks) => {
      const { clock, runner, record } = createKit({ retry: { attempts: 2 } });
      const events = record();
      const body = new Deferred();
      const fn = jest.fn(() => body.promise);
      const handle = runner.addTask(fn);
      await clock.settle();
      body.reject(new Error('no'));
      for (let passed = 0; passed < microtasks; passed++) {
        await Promise.resolve();
      }
      expect(await handle.cancel()).toBe(true);
      await clock.advance(1e6);
      expect(await handle.whenSettled()).toEqual({ status: 'cancelled', attempts: 1 });
      expect(handle.status).toBe('cancelled');
      expect(fn).toHaveBeenCalledTimes(1);
      expect(announcementsOf(handle, events)).toMatch(/ cancelled$/);
    },
  );

  it('does not settle it twice where the abort of its signal cancels it', async () => {
    const { clock, runner, record } = createKit();
    const events = record();
    const handle: TaskHandle = runner.addTask({ timeout: '1s' }, () => {
      currentTask().signal.addEventListener('abort', () => void handle.cancel());
      return hang();
    });
    await clock.advance(1e6);
    const { status } = await handle.whenSettled();
    expect(handle.status).toBe(status);
    expect(announcementsOf(handle, events)).toBe(`added queued started ${status}`);
  });

  it('keeps its body from running where a listener cancels it as it starts', async () => {
    const { clock, runner, record } = createKit();
    const events = record();
    const body = jest.fn();
    const handle: TaskHandle = runner.addTask(body);
    runner.events.subscribe(({ type }) => {
      if (type === 'started') {
        void handle.cancel();
      }
    });
    await clock.settle();
    expect(await handle.whenSettled()).toMatchObject({ status: 'cancelled' });
    expect(handle.status).toBe('cancelled');
    expect(body).not.toHaveBeenCalled();
    expect(announcementsOf(handle, events)).toBe('added queued started cancelled');
  });
});

const heedSignal = (): Promise<never> => {
  const { signal } = currentTask();
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });
};

describe('P10: a timeout', () => {
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
      `Task deaf (${hanging.id}) timed out, but its body goes on: it ignores its signal. ` +
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
