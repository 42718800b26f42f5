import { describe, expect, it } from '@jest/globals';
import {
  jobsOf,
  priorityOf,
  storedTaskOf,
  type TaskJob,
} from '../../../lib/engine/bullmq/codec/stored-job.js';
import { outcomeOf } from '../../../lib/engine/bullmq/codec/stored-end.js';
import type { BackgroundOptions } from '../../../lib/task/task-options.js';
import type { Chain, Task } from '../../../lib/task/task.js';
import { bareTask } from '../support/tasks.js';

const HOLD_MS = 1_000;
const LINE_HOLD_MS = 60_000;

function storedTask(name: string, options: BackgroundOptions = {}, dedupe?: string): Task {
  const keys = dedupe === undefined ? undefined : { dedupe };
  const task = bareTask(name, undefined, { options, keys });
  task.stored = { name } as unknown as Task['stored'];
  return task;
}

const linkOf = (name: string) => ({ queue: 'default', id: `id of ${name}` });

const jobs = (lines: Task[][], heldMs?: number) => jobsOf(lines, 'process', heldMs, LINE_HOLD_MS);

/** Whether each claims its key as it is stored, and whether later. */
const keys = (lines: Task[][], heldMs?: number) =>
  jobs(lines, heldMs).map(({ data, options }) => [
    options.deduplication?.id !== undefined,
    data.dedupe !== undefined,
  ]);

describe('the jobs of a line', () => {
  it('are linked, the head held for the response and the others for their turn', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => storedTask(name));
    const made = jobs([[a, b, c]], HOLD_MS);
    expect(made.map(({ options }) => options)).toEqual([
      { delay: HOLD_MS, priority: 1 },
      { delay: LINE_HOLD_MS, priority: 1 },
      { delay: LINE_HOLD_MS, priority: 1 },
    ]);
    expect(made.map(({ data: { next, prior, needs } }) => ({ next, prior, needs }))).toEqual([
      { next: linkOf('b'), prior: undefined, needs: undefined },
      { next: linkOf('c'), prior: linkOf('a'), needs: undefined },
      { next: undefined, prior: linkOf('b'), needs: undefined },
    ]);
  });

  it('start at once where nothing holds them, or after their delay', () => {
    const made = jobs([[storedTask('a')], [storedTask('b', { delay: 50 })]]);
    expect(made.map(({ options: { delay } }) => delay)).toEqual([undefined, 50]);
    expect(made.map(({ data: { delayMs } }) => delayMs)).toEqual([undefined, 50]);
  });

  it('D24: claim their dedupe keys as they are stored only where nothing holds them', () => {
    const unique = () => storedTask('unique', {}, 'key');
    expect(keys([[unique()]])).toEqual([[true, false]]);
    expect(keys([[unique()]], HOLD_MS)).toEqual([[false, true]]);
    expect(keys([[storedTask('head'), unique()]])[1]).toEqual([false, true]);
  });

  it('need those before them in their chain, also one that was stored before', () => {
    const chain: Chain = {};
    const [first, between, second] = [storedTask('1'), storedTask('x'), storedTask('2')];
    first.chain = chain;
    second.chain = chain;
    expect(jobs([[first, between, second]]).map(({ data }) => data.needs)).toEqual([
      undefined,
      undefined,
      linkOf('1'),
    ]);
    second.prior = first;
    const [late] = jobs([[second]], HOLD_MS);
    expect(late?.data).toMatchObject({ needs: linkOf('1'), prior: linkOf('1'), isInChain: true });
    expect(late?.options.delay).toBe(5_000);
    const other = storedTask('other');
    other.chain = {};
    other.prior = first;
    expect(jobs([[other]], HOLD_MS)[0]?.data.needs).toBeUndefined();
  });

  it('have the priority of their task, and its attempts where there are several', () => {
    const high = storedTask('a', { priority: 'high', retry: { attempts: 4 } });
    const [job] = jobs([[high]]);
    expect([job?.options.priority, job?.data.maxAttempts]).toEqual([undefined, 4]);
    expect([0, 1, 2, 7].map((priority) => priorityOf({ priority }))).toEqual([
      'high',
      'normal',
      'low',
      'normal',
    ]);
  });

  it('tell when they were added as other tasks do: in whole milliseconds that are over', () => {
    const task = bareTask('a', undefined, { addedAt: 5.75 });
    task.stored = { name: 'a' } as unknown as Task['stored'];
    expect(jobs([[task]])[0]?.data.addedAt).toBe(5);
  });

  it('are not made of a task that was not written down', () => {
    expect(() => jobs([[bareTask('a')]])).toThrow('"a" was not written down');
  });
});

describe('a job that is read', () => {
  it('is the task that was stored', () => {
    const data = { call: '{"args":"[]"}', addedAt: 5 };
    const job = { id: 'id', name: 'send', data, attemptsMade: 2 } as unknown as TaskJob;
    const stored = { name: 'send', call: { args: '[]' }, addedAt: 5, attempts: 2 };
    expect(storedTaskOf(job)).toEqual({ id: 'id', ...stored });
  });

  it.each([
    [{ status: 'completed' }, { status: 'completed', attempts: 2, durationMs: 7 }],
    [
      { status: 'failed', error: 'no' },
      { status: 'failed', attempts: 2, durationMs: 7, error: new Error('no') },
    ],
    [{ status: 'cancelled' }, { status: 'cancelled', attempts: 2 }],
    [{ status: 'dropped' }, { status: 'dropped', reason: 'predecessor-failed' }],
    [
      { status: 'dropped', reason: 'handler-failed' },
      { status: 'dropped', reason: 'handler-failed' },
    ],
  ] as const)('with the end %j has come to %j', (end, outcome) => {
    expect(outcomeOf({ attempts: 2, durationMs: 7, ...end })).toEqual(outcome);
  });
});
