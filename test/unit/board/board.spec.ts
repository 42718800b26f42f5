import { describe, expect, it } from '@jest/globals';
import { TaskQueueAdapter } from 'nestjs-background-tasks/board';
import { BoardTask } from '../../../lib/board/board-task.js';
import { excerptOf, excerptOfText } from '../../../lib/board/excerpt.js';
import {
  type Outcome,
  type TaskInfo,
  type TaskRunner,
  type TaskStatus,
  currentTask,
} from '../../../lib/index.js';
import { createKit } from '../support/kit.js';

function adapterOf(kit: ReturnType<typeof createKit>): TaskQueueAdapter {
  return new TaskQueueAdapter('emails', kit.runner, ({ args }) => args, false);
}

const kitWithEmails = () => createKit({ queues: { emails: { concurrency: 1 } } });

describe('a queue on the board', () => {
  it('shows its own tasks only', async () => {
    const kit = kitWithEmails();
    const adapter = adapterOf(kit);
    const { id } = kit.runner.addTask({ queue: 'emails', delay: '1h' }, () => undefined);
    const other = kit.runner.addTask({ delay: '1h' }, () => undefined);
    expect(await adapter.getJobs(['delayed'])).toHaveLength(1);
    expect(await adapter.getJob(id)).toBeDefined();
    expect(await adapter.getJob(other.id)).toBeUndefined();
    expect(await adapter.getJobLogs(other.id)).toEqual([]);
    expect(await adapter.getJobCounts()).toMatchObject({ delayed: 1, active: 0 });
  });

  it.each(['meta', '../meta', 'emails:meta', '', '%2e%2e', '__proto__'])(
    'O21: looks for no task with the id %j',
    async (id) => {
      const asked: string[] = [];
      const runner = { get: (each: string) => asked.push(each) } as unknown as TaskRunner;
      const adapter = new TaskQueueAdapter('emails', runner, () => undefined, false);
      expect(await adapter.getJob(id)).toBeUndefined();
      expect(await adapter.getJobLogs(id)).toEqual([]);
      expect(asked).toEqual([]);
    },
  );

  it('O11: shows a line of a log as one line, with every character of it', async () => {
    const kit = kitWithEmails();
    const { id } = kit.runner.addTask({ queue: 'emails' }, () => currentTask().log('a\n\u001b[2J'));
    await kit.clock.settle();
    expect(await adapterOf(kit).getJobLogs(id)).toEqual([
      expect.stringMatching(/Z a\\n\\x1b\[2J$/),
    ]);
  });

  it('shows a page of each status', async () => {
    const kit = kitWithEmails();
    for (const name of ['a', 'b', 'c']) {
      kit.runner.addTask({ queue: 'emails', delay: '1h', name }, () => undefined);
      kit.runner.addTask({ queue: 'emails', name }, () => Promise.reject(new Error(name)));
    }
    await kit.clock.settle();
    const adapter = adapterOf(kit);
    expect(await adapter.getJobs(['failed', 'delayed'], 0, 1)).toHaveLength(4);
    expect(await adapter.getJobs(['failed', 'delayed'], 2, 3)).toHaveLength(2);
    expect(await adapter.getJobs(['failed', 'delayed'])).toHaveLength(6);
  });

  it('is paused and resumed', async () => {
    const adapter = adapterOf(kitWithEmails());
    await adapter.pause();
    expect(await adapter.isPaused()).toBe(true);
    await adapter.resume();
    expect(await adapter.isPaused()).toBe(false);
  });

  it('forgets what has settled, and cancels what waits', async () => {
    const kit = kitWithEmails();
    const adapter = adapterOf(kit);
    kit.runner.addTask({ queue: 'emails' }, () => Promise.reject(new Error('no')));
    await kit.clock.settle();
    await adapter.pause();
    const waiting = kit.runner.addTask({ queue: 'emails' }, () => undefined);
    const delayed = kit.runner.addTask({ queue: 'emails', delay: '1h' }, () => undefined);

    await adapter.clean('failed');
    expect(await adapter.getJobCounts()).toMatchObject({ failed: 0, waiting: 1 });
    await adapter.empty();
    expect([waiting.status, delayed.status]).toEqual(['cancelled', 'delayed']);
    await adapter.obliterate();
    expect(delayed.status).toBe('cancelled');
    expect(await kit.runner.list({ queue: 'emails', status: 'completed' })).toEqual([]);
  });

  it('cleans what waits by cancelling it', async () => {
    const kit = kitWithEmails();
    await kit.runner.pause('emails');
    const waiting = kit.runner.addTask({ queue: 'emails' }, () => undefined);
    await adapterOf(kit).clean('wait');
    expect(waiting.status).toBe('cancelled');
  });

  it('has no metrics and no Redis', async () => {
    const adapter = adapterOf(kitWithEmails());
    expect(adapter.getName()).toBe('emails');
    expect(adapter.getStatuses()).toEqual(['latest', ...adapter.getJobStatuses()]);
    expect(await adapter.getMetrics()).toMatchObject({ count: 0 });
    expect(await adapter.getRedisInfo()).toBeNull();
    expect(await adapter.getGlobalConcurrency()).toBeNull();
  });

  it('shows its own schedules, and removes them', async () => {
    const names = ['a', 'b'];
    const runner = {
      listSchedules: () =>
        Promise.resolve([
          { name: 'a', queue: 'emails', cron: '0 3 * * *', timeZone: 'Europe/Berlin', nextAt: 7 },
          { name: 'b', queue: 'emails', every: '5m', nextAt: undefined },
          { name: 'c', queue: 'other', every: '5m', nextAt: 7 },
        ]),
      removeSchedule: (name: string) => Promise.resolve(names.splice(names.indexOf(name), 1)),
    } as unknown as TaskRunner;
    const adapter = new TaskQueueAdapter('emails', runner, () => undefined, false);
    expect(await adapter.getJobSchedulers()).toEqual([
      { id: 'a', name: 'a', pattern: '0 3 * * *', tz: 'Europe/Berlin', next: 7 },
      { id: 'b', name: 'b', pattern: 'every 5m' },
    ]);
    expect(await adapter.getJobSchedulersCount()).toBe(2);
    expect(await adapter.removeJobScheduler('c')).toBe(false);
    await adapter.removeJobScheduler('a');
    expect(names).toEqual(['b']);
  });

  it.each<[string, (adapter: TaskQueueAdapter) => Promise<unknown>]>([
    ['are added by the application', (adapter) => adapter.addJob()],
    ['start when they are due', (adapter) => adapter.promoteAll()],
    ['is an option', (adapter) => adapter.setGlobalConcurrency()],
    ['is changed where it was added', (adapter) => adapter.updateJobScheduler()],
    ['at its ticks only', (adapter) => adapter.runJobSchedulerNow()],
  ])('refuses what tasks cannot: %s', async (reason, attempt) => {
    await expect(attempt(adapterOf(kitWithEmails()))).rejects.toThrow(reason);
  });
});

/** A runner that knows none of the tasks it is asked about. */
const nobody = {
  forget: () => Promise.resolve(false),
  cancel: () => Promise.resolve(false),
  retry: () => Promise.resolve(undefined),
} as unknown as TaskRunner;

const INFO: TaskInfo = {
  id: 'id',
  name: 'send',
  queue: 'default',
  status: 'queued',
  priority: 'normal',
  args: [],
  attempts: 0,
  maxAttempts: 3,
  addedAt: 1_000,
  startedAt: undefined,
  settledAt: undefined,
  cursor: undefined,
  progress: undefined,
  result: undefined,
  logs: [],
  outcome: undefined,
};

const taskWith = (info: Partial<TaskInfo>, runner = nobody): BoardTask =>
  new BoardTask({ ...INFO, ...info }, runner, ({ args }) => args);

const settled = (outcome: Outcome): BoardTask => taskWith({ status: outcome.status, outcome });

describe('a task on the board', () => {
  it.each<[TaskStatus, string]>([
    ['collected', 'waiting'],
    ['queued', 'waiting'],
    ['delayed', 'delayed'],
    ['retrying', 'delayed'],
    ['running', 'active'],
    ['completed', 'completed'],
    ['failed', 'failed'],
    ['cancelled', 'failed'],
    ['dropped', 'failed'],
    ['abandoned', 'failed'],
  ])('that is %s is listed as %s', async (status, state) => {
    expect(await taskWith({ status }).getState()).toBe(state);
  });

  it('that waits has no times but that of its being added', () => {
    expect(taskWith({}).toJSON()).toMatchObject({
      timestamp: 1_000,
      processedOn: null,
      finishedOn: null,
      failedReason: '',
      stacktrace: [],
      progress: 0,
      opts: { attempts: 3, priority: 'normal' },
    });
  });

  it('that has ended says when', () => {
    const outcome: Outcome = { status: 'completed', attempts: 1, durationMs: 10.2 };
    const task = taskWith({ status: 'completed', startedAt: 2_000, outcome });
    expect(task.toJSON()).toMatchObject({ processedOn: 2_000, finishedOn: 2_010 });
  });

  it('that was cancelled while it ran ended, as far as anybody knows, when it had started', () => {
    const outcome: Outcome = { status: 'cancelled', attempts: 1 };
    const task = taskWith({ status: 'cancelled', startedAt: 2_000, outcome });
    expect(task.toJSON()).toMatchObject({ finishedOn: 2_000 });
  });

  it.each<[Outcome, string]>([
    [{ status: 'completed', attempts: 1, durationMs: 1 }, ''],
    [{ status: 'failed', attempts: 1, durationMs: 1, error: new TypeError('no') }, 'TypeError: no'],
    [{ status: 'failed', attempts: 1, durationMs: 1, error: 'no' }, 'no'],
    [{ status: 'failed', attempts: 1, durationMs: 1, error: '' }, 'It failed.'],
    [
      { status: 'failed', attempts: 1, durationMs: 1, error: Object.create(null) },
      '[object Object]',
    ],
    [{ status: 'cancelled', attempts: 0 }, 'It was cancelled.'],
    [
      { status: 'abandoned', attempts: 0 },
      'It was abandoned: the application shut down before it ended.',
    ],
    [{ status: 'dropped', reason: 'overflow' }, 'It was dropped: overflow.'],
  ])('with the outcome %j says why: %s', (outcome, reason) => {
    expect(settled(outcome).toJSON().failedReason).toBe(reason);
  });

  it('shows a stack, and none of an error that hides it', () => {
    const error = new Error('no');
    const shown = settled({ status: 'failed', attempts: 1, durationMs: 1, error }).toJSON();
    expect(shown.stacktrace).toEqual([error.stack]);
    const hostile = Object.defineProperty(new Error('no'), 'stack', {
      get: () => {
        throw new Error('do not look');
      },
    });
    const hidden = settled({ status: 'failed', attempts: 1, durationMs: 1, error: hostile });
    expect(hidden.toJSON().stacktrace).toEqual([]);
  });

  it('O11: shows every character of a name and of an error, wherever they come from', () => {
    const forged = 'a\nb\u001b[2J\u202e redis://u:pw@host';
    const shown = 'a\\nb\\x1b[2J\\u202e redis://***@host';
    const outcome: Outcome = {
      status: 'failed',
      attempts: 1,
      durationMs: 1,
      error: new Error(forged),
    };
    const job = taskWith({ name: forged, status: 'failed', outcome }).toJSON();
    expect([job.name, job.failedReason]).toEqual([shown, `Error: ${shown}`]);
  });

  it('shows what its body last said of its progress', () => {
    expect(taskWith({ progress: 30 }).toJSON().progress).toBe(30);
    expect(taskWith({ progress: { done: 1 } }).toJSON().progress).toEqual({ done: 1 });
  });

  it('can be removed where it can be forgotten or cancelled', async () => {
    const calls: string[] = [];
    const runner = {
      forget: (id: string) => Promise.resolve(calls.push(`forget ${id}`) === 1),
    } as unknown as TaskRunner;
    await taskWith({}, runner).remove();
    expect(calls).toEqual(['forget id']);
    await expect(taskWith({}).remove()).rejects.toThrow(/cannot be stopped alone/);
  });

  it('can be retried only if it failed, and promoted never', async () => {
    await expect(taskWith({ status: 'completed' }).retry()).rejects.toThrow(
      /Only a failed task can be retried; this one was completed/,
    );
    await expect(taskWith({}).promote()).rejects.toThrow(/when it is due/);
  });
});

function named(): void {}

const nested = (depth: number): unknown => (depth === 0 ? 'deep' : { in: nested(depth - 1) });

/** How long the text is that a page would get. */
const lengthOf = (value: unknown): number => JSON.stringify(excerptOf(value)).length;

describe('what the board shows of a value', () => {
  it.each<[unknown, unknown]>([
    ['text', 'text'],
    [42, 42],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
    [true, true],
    [null, null],
    [undefined, '(undefined)'],
    [12n, '12n'],
    [Symbol('s'), 'Symbol(s)'],
    [named, '(function named)'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [new Date(Number.NaN), 'Invalid Date'],
    [new TypeError('no'), 'TypeError: no'],
    [new Uint8Array(3), '(Uint8Array of 3 bytes)'],
    [new Set([1, 'a']), { '(Set)': [1, 'a'] }],
    [new Map([['key', { a: 1 }]]), { '(Map)': [['key', { a: 1 }]] }],
    [
      [1, [2]],
      [1, [2]],
    ],
    [{ a: { b: 'c' } }, { a: { b: 'c' } }],
    [Object.create({ inherited: true }), {}],
  ])('is plain JSON of %p', (value, shown) => {
    expect(excerptOf(value)).toEqual(shown);
  });

  it('ends at a depth', () => {
    expect(JSON.stringify(excerptOf(nested(6)))).toContain('deep');
    expect(JSON.stringify(excerptOf(nested(7)))).not.toContain('deep');
    expect(JSON.stringify(excerptOf(nested(7)))).toContain('(…)');
  });

  it('O21: shows a circle once, and twice what stands there twice', () => {
    const circle: Record<string, unknown> = { map: new Map<string, unknown>() };
    circle['self'] = circle;
    (circle['map'] as Map<string, unknown>).set('back', circle);
    expect(excerptOf([circle, circle])).toEqual(
      [1, 2].map(() => ({ map: { '(Map)': [['back', '(a circle)']] }, self: '(a circle)' })),
    );
  });

  it('costs the same of a large value as of a small one', () => {
    const many = Array.from({ length: 10_000 }, (_, index) => index);
    const entries = Object.fromEntries(many.map((index) => [`key${index}`, index]));
    expect(lengthOf(many)).toBeLessThan(5_000);
    expect(lengthOf(entries)).toBeLessThan(15_000);
    expect(lengthOf('x'.repeat(1_000_000))).toBeLessThan(21_000);
    expect(lengthOf(many.map(() => 'x'.repeat(1_000)))).toBeLessThan(50_000);
  });

  it('says how much it leaves out', () => {
    const shown = excerptOf(Array.from({ length: 1_000 }, () => 0)) as unknown[];
    expect(shown.at(-1)).toBe(`(… ${1_000 - shown.length + 1} more)`);
    const entries = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [index, 0]));
    expect(excerptOf(entries)).toMatchObject({ '(…)': 'more' });
  });

  it('shows the rest of a value with a part that cannot be looked at', () => {
    const hostile = {
      get broken(): never {
        throw new Error('do not look');
      },
      proxy: new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error('nor here');
          },
        },
      ),
      fine: 1,
    };
    expect(excerptOf(hostile)).toEqual({
      broken: '(a getter that throws)',
      proxy: '(a value that cannot be shown)',
      fine: 1,
    });
  });
});

describe('what the board shows of a text', () => {
  it('is all of a short one', () => {
    expect(excerptOfText('short', 5)).toBe('short');
  });

  it('is the beginning of a long one, and how long it is', () => {
    expect(excerptOfText('longer', 4)).toBe('long… (2 more characters)');
  });
});
