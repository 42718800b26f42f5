import { describe, expect, it, jest } from '@jest/globals';
import { fc } from '../../support/properties.js';
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

  it('knows no bound where concurrency is infinite', async () => {
    const { clock, runner } = createKit({
      queues: { default: { concurrency: Number.POSITIVE_INFINITY } },
    });
    const handles = Array.from({ length: 500 }, () => runner.addTask(() => clock.sleep(1)));
    await clock.settle();
    expect(new Set(statuses(handles))).toEqual(new Set(['running']));
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

  it('runs what a task adds, and what that adds', async () => {
    const { clock, runner } = createKit({ queues: { default: { concurrency: 1 } } });
    const ran: number[] = [];
    const nest = (depth: number): void => {
      ran.push(depth);
      if (depth < 100) {
        runner.addTask(nest, depth + 1);
      }
    };
    runner.addTask(nest, 0);
    await clock.settle();
    expect(ran).toHaveLength(101);
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

  it('is used whenever one is free and a task waits, and there are never more than concurrency', async () => {
    const anyTask = fc.record({
      queue: fc.constantFrom('narrow', 'wide'),
      at: fc.nat(60),
      delay: fc.constantFrom(0, 0, 0, 7, 30),
      lasts: fc.nat(20),
      failures: fc.constantFrom(0, 0, 0, 1, 2, 3),
      timeout: fc.constantFrom(undefined, undefined, 10),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyTask, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 3 }),
        async (tasks, narrow) => {
          const limits = { narrow, wide: narrow + 4 };
          const { clock, runner, record } = createKit({
            queues: { narrow: { concurrency: limits.narrow }, wide: { concurrency: limits.wide } },
            retry: { attempts: 3, delay: 9, jitter: 'none' },
          });
          const events = record();
          const running = { narrow: 0, wide: 0 };
          const most = { narrow: 0, wide: 0 };
          const handles: TaskHandle[] = [];
          const add = ({ queue, delay, lasts, failures, timeout }: (typeof tasks)[number]) => {
            let left = failures;
            const options = { queue, delay, timeout };
            handles.push(
              runner.addTask(options, async () => {
                await clock.sleep(lasts);
                if (left-- > 0) {
                  throw new Error('again');
                }
              }),
            );
          };
          runner.events.subscribe((event) => {
            const queue = event.queue as keyof typeof running;
            if (event.type === 'started') {
              running[queue] += 1;
              most[queue] = Math.max(most[queue], running[queue]);
            } else if (['retrying', 'completed', 'failed'].includes(event.type)) {
              running[queue] -= 1;
            }
          });
          for (let time = 0; time <= 60; time++) {
            tasks.filter(({ at }) => at === time).forEach(add);
            await clock.settle();
            for (const queue of ['narrow', 'wide'] as const) {
              const waiting = handles.filter(
                (handle) => handle.queue === queue && handle.status === 'queued',
              );
              expect(running[queue] === limits[queue] || waiting.length === 0).toBe(true);
            }
            await clock.advance(1);
          }
          await clock.advance(1e6);
          expect(handles.filter(({ status }) => !/completed|failed/.test(status))).toEqual([]);
          expect(running).toEqual({ narrow: 0, wide: 0 });
          expect(most.narrow).toBeLessThanOrEqual(limits.narrow);
          expect(most.wide).toBeLessThanOrEqual(limits.wide);
          expect(clock.pendingTimers).toBe(0);
          const ends = events.filter(({ type }) => type === 'completed' || type === 'failed');
          expect(new Set(ends.map(({ id }) => id)).size).toBe(tasks.length);
          expect(ends).toHaveLength(tasks.length);
        },
      ),
      { numRuns: 40 },
    );
  });
});
