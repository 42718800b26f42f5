import { describe, expect, it, jest } from '@jest/globals';
import type { TaskHandle } from '../../../lib/index.js';
import { createKit } from '../support/kit.js';

/** What becomes of one task more than there are slots. */
const full = (concurrency: number): string[] => [
  ...Array.from({ length: concurrency }, () => 'running'),
  'queued',
];

const statuses = (handles: readonly TaskHandle[]) => handles.map(({ status }) => status);

describe('the memory engine', () => {
  it('attempts nothing before it is started', async () => {
    const { clock, engine, runner } = createKit({}, { isStarted: false });
    const body = jest.fn();
    const handle = runner.addTask(body);
    await clock.advance(1e6);
    expect(body).not.toHaveBeenCalled();
    expect(handle.status).toBe('queued');
    void engine.start();
    await clock.settle();
    expect(handle.status).toBe('completed');
  });

  it('puts a task at the end again when its delay or its wait for a retry is over', async () => {
    const { clock, runner } = createKit({ queues: { default: { concurrency: 1 } } });
    const started: string[] = [];
    let failures = 1;
    runner.addTask({ retry: { attempts: 2, delay: 5, jitter: 'none' } }, () => {
      started.push('retried');
      if (failures-- > 0) {
        throw new Error('once');
      }
    });
    runner.addTask({ delay: 5 }, () => started.push('delayed'));
    runner.addTask(() => clock.sleep(10));
    runner.addTask(() => started.push('waiting'));
    await clock.advance(1e6);
    // Of the two that are due at once, the delayed one was added to the timers first.
    expect(started).toEqual(['retried', 'waiting', 'delayed', 'retried']);
  });

  it('gives each queue limits of its own', async () => {
    const { clock, runner } = createKit({ queues: { mails: { concurrency: 2 }, hooks: {} } });
    const add = (queue: string, count: number): TaskHandle[] =>
      Array.from({ length: count }, () => runner.addTask({ queue }, () => clock.sleep(10)));
    const handles = [...add('mails', 3), ...add('hooks', 11), ...add('default', 11)];
    await clock.settle();
    expect(statuses(handles)).toEqual([...full(2), ...full(10), ...full(10)]);
    await clock.advance(20);
    expect(new Set(statuses(handles))).toEqual(new Set(['completed']));
  });

  it('P9: has one timer for all delays and retries', async () => {
    const { clock, runner } = createKit({ retry: { attempts: 3 } });
    for (let index = 0; index < 50; index++) {
      runner.addTask({ delay: 1000 + ((index * 37) % 50) }, () => undefined);
      runner.addTask(() => Promise.reject(new Error('no')));
    }
    await clock.settle();
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(900);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(1e6);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('P8: a slot', () => {
  it('is free again after a sync throw, a rejection, a timeout and a cancellation', async () => {
    const { clock, runner } = createKit({ queues: { default: { concurrency: 1 } } });
    runner.addTask(() => {
      throw new Error('sync');
    });
    runner.addTask(() => Promise.reject(new Error('async')));
    runner.addTask({ timeout: 5 }, () => new Promise(() => undefined));
    const cancelled = runner.addTask(() => new Promise(() => undefined));
    const last = runner.addTask(() => undefined);
    await clock.advance(10);
    await cancelled.cancel();
    await clock.settle();
    expect(last.status).toBe('completed');
  });
});
