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

describe('cancel() at the moment when something else ends the task', () => {
  const MOMENTS = [0, 1, 2, 3, 4, 5].flatMap((microtasks) =>
    (['returned', 'threw'] as const).map((how) => [microtasks, how] as const),
  );

  it.each(MOMENTS)('settles it once, %d microtasks after its body %s', async (microtasks, how) => {
    const { clock, runner, record } = createKit({ retry: { attempts: 2 } });
    const events = record();
    const body = new Deferred();
    const fn = jest.fn(() => body.promise);
    const handle = runner.addTask(fn);
    await clock.settle();
    body[how === 'returned' ? 'resolve' : 'reject'](undefined);
    for (let passed = 0; passed < microtasks; passed++) {
      await Promise.resolve();
    }
    const isCancelled = await handle.cancel();
    await clock.advance(1e6);
    const { status } = await handle.whenSettled();
    expect(status).toBe(isCancelled ? 'cancelled' : 'completed');
    expect(handle.status).toBe(status);
    expect(fn).toHaveBeenCalledTimes(1);
    const announced = `^added queued started (retrying )?${status}$`;
    expect(announcementsOf(handle, events)).toMatch(new RegExp(announced));
  });

  it('keeps the body from running if a listener cancels its task as it starts', async () => {
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

describe('P10: a timeout or cancel()', () => {
  it('aborts the signal and fails the attempt at its time', async () => {
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

  it.each([
    ['timed out', '1s'],
    ['was cancelled', undefined],
  ] as const)('frees the slot of a body that goes on after it %s', async (how, timeout) => {
    const { clock, runner, logger } = createKit({ queues: { default: { concurrency: 1 } } });
    const deaf = runner.addTask({ name: 'deaf', timeout }, hang);
    const next = runner.addTask({ name: 'next' }, () => undefined);
    await clock.advance(999);
    expect(next.status).toBe('queued');
    if (timeout === undefined) {
      await deaf.cancel();
    }
    await clock.advance(1);
    expect(next.status).toBe('completed');
    expect(logger.of('warn')).toEqual([
      `Task deaf (${deaf.id}) ${how}, but its body goes on: it ignores its signal. ` +
        'Its slot is free again.',
    ]);
  });

  it.each(['resolve', 'reject'] as const)(
    'decides: a body that goes on to %s changes nothing',
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

  it('does not count if it fires just after the body ended', async () => {
    const { clock, runner } = createKit();
    // Both timers are due at once: the body's was made later, so the timeout's callback comes first.
    const late = runner.addTask({ timeout: '1s' }, () => clock.sleep(1000));
    const sleeping = clock.sleep(1000);
    const early = runner.addTask({ timeout: '1s' }, () => sleeping);
    await clock.advance(1e6);
    expect([late.status, early.status]).toEqual(['failed', 'completed']);
  });
});
