import { describe, expect, it, jest } from '@jest/globals';
import type { TaskEvent } from '../../../lib/index.js';
import { TaskEvents } from '../../../lib/observe/task-events.js';
import { FakeClock } from '../support/fake-clock.js';
import { createKit } from '../support/kit.js';
import { bareTask, NOBODY } from '../support/tasks.js';

describe('the events of a task', () => {
  it('tell its life in order', async () => {
    const { clock, runner, record } = createKit();
    const events = record();
    let failures = 1;
    const begin = clock.now();
    const handle = runner.addTask(
      { name: 'mail', delay: '1s', retry: { attempts: 2, delay: '2s', jitter: 'none' } },
      async () => {
        await clock.sleep(5);
        if (failures-- > 0) {
          throw new Error('once');
        }
      },
    );
    await clock.advance(1e6);
    const common = { id: handle.id, name: 'mail', queue: 'default' };
    expect(events).toMatchObject([
      { ...common, type: 'added', at: begin },
      { ...common, type: 'queued', at: begin },
      { ...common, type: 'started', at: begin + 1000, attempt: 1 },
      { ...common, type: 'retrying', at: begin + 1005, attempt: 1, delayMs: 2000 },
      { ...common, type: 'started', at: begin + 3005, attempt: 2 },
      { ...common, type: 'completed', at: begin + 3010, attempt: 2, durationMs: 5 },
    ]);
    expect(events).toHaveLength(6);
  });

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

  it('come after the fact: whoever hears of an end finds the task at it', async () => {
    const { clock, runner } = createKit();
    const statuses: string[] = [];
    const handle = runner.addTask(() => undefined);
    runner.events.subscribe(({ type }) => statuses.push(`${type}: ${handle.status}`));
    await clock.settle();
    expect(statuses).toEqual(['started: running', 'completed: completed']);
  });

  it('reach only those who listen by then', async () => {
    const { clock, runner, record } = createKit();
    runner.addTask(() => undefined);
    const events = record();
    await clock.settle();
    expect(events.map(({ type }) => type)).toEqual(['started', 'completed']);
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

  it('may add tasks while it is called', async () => {
    const { clock, runner } = createKit();
    const ran: string[] = [];
    runner.events.subscribe(({ type, name }) => {
      if (type === 'completed' && name === 'first') {
        runner.addTask({ name: 'second' }, () => ran.push('second'));
      }
    });
    runner.addTask({ name: 'first' }, () => ran.push('first'));
    await clock.settle();
    expect(ran).toEqual(['first', 'second']);
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

  it('end with the application', () => {
    const events = new TaskEvents(new FakeClock(), () => undefined);
    const complete = jest.fn();
    events.stream.subscribe({ complete });
    events.complete();
    expect(complete).toHaveBeenCalledTimes(1);
  });
});
