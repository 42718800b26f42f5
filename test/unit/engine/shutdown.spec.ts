import { describe, expect, it, jest } from '@jest/globals';
import { type TaskHandle } from '../../../lib/index.js';
import { Deferred } from '../../support/deferred.js';
import { createKit } from '../support/kit.js';
import { resolutionOf } from '../support/resolution.js';

const hang = (): Promise<never> => new Promise(() => undefined);

const statuses = (handles: readonly TaskHandle[]) => handles.map(({ status }) => status);

describe('P13: a drain', () => {
  it('of present tasks waits neither for later ones nor for those that are due too late', async () => {
    const { clock, engine, runner } = createKit();
    runner.addTask(() => clock.sleep(10));
    runner.addTask({ delay: 5 }, () => clock.sleep(10));
    runner.addTask({ delay: 1_000 }, () => undefined);
    const drained = resolutionOf(engine.drain(clock.now() + 1_000, 'present'));
    await clock.settle();
    runner.addTask(() => clock.sleep(500));
    await clock.advance(14);
    expect(drained.isThere).toBe(false);
    await clock.advance(1);
    expect(drained.isThere).toBe(true);
  });

  it('waits for the tasks of open requests only if its scope includes them', async () => {
    const { clock, engine, handle, runner } = createKit();
    runner.addTask({ delay: '1h' }, () => undefined); // of no request, and due too late
    const end = new Deferred();
    const request = handle(async (tasks) => {
      tasks.addTask(() => clock.sleep(10));
      await end.promise;
    });
    const scopes = ['present', 'released', 'collected'] as const;
    const drains = scopes.map((scope) => resolutionOf(engine.drain(clock.now() + 1_000, scope)));
    await clock.settle();
    expect(drains.map(({ isThere }) => isThere)).toEqual([true, true, false]);
    end.resolve();
    await request;
    await clock.advance(9);
    expect(drains[2]?.isThere).toBe(false);
    await clock.advance(1);
    expect(drains[2]?.isThere).toBe(true);
  });
});

describe('stop()', () => {
  it('O25: settles all remaining tasks as abandoned, and logs by name and id why', async () => {
    const { clock, engine, runner, logger } = createKit({
      queues: { default: { concurrency: 1 }, retries: {} },
    });
    const retrying = runner.addTask(
      { name: 'retrying', queue: 'retries', retry: { attempts: 2, delay: '1h' } },
      () => Promise.reject(new Error('no')),
    );
    const running = runner.addTask({ name: 'running' }, hang);
    const queued = runner.addTask({ name: 'queued' }, () => undefined);
    const delayed = runner.addTask({ name: 'delayed', delay: '1h' }, () => undefined);
    await clock.settle();
    const all = [retrying, running, queued, delayed];
    expect(statuses(all)).toEqual(['retrying', 'running', 'queued', 'delayed']);

    const stopped = engine.stop(0);
    await clock.advance(0);
    await stopped;
    expect(statuses(all)).toEqual(['abandoned', 'abandoned', 'abandoned', 'abandoned']);
    expect(await Promise.all(all.map((handle) => handle.whenSettled()))).toEqual([
      { status: 'abandoned', attempts: 1 },
      { status: 'abandoned', attempts: 1 },
      { status: 'abandoned', attempts: 0 },
      { status: 'abandoned', attempts: 0 },
    ]);
    const why: Record<string, string> = {
      retrying: 'its next attempt was not due',
      running: 'its attempt had not ended',
      queued: 'its turn had not come',
      delayed: 'its delay was not over',
    };
    expect(logger.of('error').toSorted()).toEqual(
      all
        .map(
          ({ name, id }) =>
            `Task ${name} (${id}) was abandoned: ${why[name]} when the application shut down`,
        )
        .toSorted(),
    );
    expect(clock.pendingTimers).toBe(0);
  });

  it('makes no further attempt of a task that fails meanwhile', async () => {
    const { clock, engine, runner } = createKit({ retry: { attempts: 9, delay: 0 } });
    const body = new Deferred();
    const fn = jest.fn(() => body.promise);
    const handle = runner.addTask(fn);
    await clock.settle();
    body.reject(new Error('just now'));
    await engine.stop(0);
    await clock.advance(1e6);
    expect(fn).toHaveBeenCalledTimes(1);
    expect(await handle.whenSettled()).toEqual({ status: 'abandoned', attempts: 1 });
  });
});
