import { describe, expect, it, jest } from '@jest/globals';
import type { TaskEvent } from '../../../lib/index.js';
import { TaskEvents } from '../../../lib/observe/task-events.js';
import { FakeClock } from '../support/fake-clock.js';
import { createKit } from '../support/kit.js';
import { bareTask, NOBODY } from '../support/tasks.js';

describe('the events of a task', () => {
  it('carry the error of an attempt as it was thrown', async () => {
    const { clock, runner, record } = createKit({ retry: { attempts: 2 } });
    const events = record();
    const errors = [new Error('one'), new Error('two')];
    const left = [...errors];
    runner.addTask(() => {
      throw left.shift() as Error;
    });
    await clock.advance(1e6);
    const thrown = events.flatMap((event) => ('error' in event ? [event.error] : []));
    expect(thrown).toHaveLength(2);
    expect(thrown.every((error, index) => error === errors[index])).toBe(true);
  });

  it('say why a task was dropped', async () => {
    const { handle, record } = createKit();
    const events = record();
    const failing = handle((tasks) => {
      tasks.addTask({ name: 'on success' }, () => undefined);
      throw new Error('refused');
    });
    await expect(failing).rejects.toThrow('refused');
    await handle((tasks) =>
      tasks.addTask({ name: 'on failure', when: 'failure' }, () => undefined),
    );
    expect(events.filter(({ type }) => type === 'dropped')).toMatchObject([
      { name: 'on success', reason: 'handler-failed' },
      { name: 'on failure', reason: 'handler-completed' },
    ]);
  });
});

describe('P11: a listener of events that throws', () => {
  it.each<[string, (event: TaskEvent) => unknown]>([
    [
      'at once',
      () => {
        throw new Error('broken listener');
      },
    ],
    ['as a promise', () => Promise.reject(new Error('broken listener'))],
  ])('%s reaches neither tasks nor other listeners, and is logged', async (_, listener) => {
    const { clock, runner, logger, record } = createKit({ retry: { attempts: 2 } });
    runner.events.subscribe(listener);
    const events = record();
    const good = runner.addTask(() => undefined);
    const bad = runner.addTask(() => Promise.reject(new Error('no')));
    await clock.advance(1e6);
    expect([good.status, bad.status]).toEqual(['completed', 'failed']);
    const types = ['added', 'queued', 'added', 'queued', 'started', 'completed', 'started'];
    expect(events.map(({ type }) => type).toSorted()).toEqual(
      [...types, 'retrying', 'started', 'failed'].toSorted(),
    );
    const complaints = logger.of('error').filter((line) => line.includes('listener'));
    expect(complaints).toHaveLength(events.length);
    expect(complaints[0]).toMatch(
      /^A listener of TaskRunner.events threw: Error: broken listener\nError: broken listener\n/,
    );
  });
});

describe('events that nobody listens to', () => {
  it('are not put together: not even an id is made', () => {
    const clock = new FakeClock();
    const now = jest.spyOn(clock, 'now');
    const mintId = jest.fn(() => 'an id');
    const events = new TaskEvents(clock, () => undefined);
    const task = bareTask('quiet', { ...NOBODY, mintId });

    events.emit('started', task, { waitedMs: 0 });
    const subscription = events.stream.subscribe();
    subscription.unsubscribe();
    events.emit('completed', task, { durationMs: 1, process: undefined });
    expect(now).not.toHaveBeenCalled();
    expect(mintId).not.toHaveBeenCalled();

    events.stream.subscribe();
    events.emit('completed', task, { durationMs: 1, process: undefined });
    expect(now).toHaveBeenCalled();
    expect(mintId).toHaveBeenCalledTimes(1);
  });
});
