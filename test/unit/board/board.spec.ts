import { describe, expect, it } from '@jest/globals';
import { BackgroundTasksBoardModule, TaskQueueAdapter } from 'nestjs-background-tasks/board';
import { BoardTask } from '../../../lib/board/board-task.js';
import { excerptOf, excerptOfText } from '../../../lib/board/excerpt.js';
import {
  type Outcome,
  type TaskFilter,
  type TaskInfo,
  type TaskRunner,
  type TaskStatus,
} from '../../../lib/index.js';
import { Deferred } from '../../support/deferred.js';
import { createKit } from '../support/kit.js';

function adapterOf(kit: ReturnType<typeof createKit>): TaskQueueAdapter {
  return new TaskQueueAdapter('emails', kit.runner, ({ args }) => args, false);
}

const throwing = (): never => {
  throw new Error('do not look');
};

const kitWithEmails = () => createKit({ queues: { emails: { concurrency: 1 } } });

describe('a queue on the board', () => {
  it.each(['meta', '../meta', 'emails:meta', '', '%2e%2e', '__proto__'])(
    'O21: does not look for a task with the id %j',
    async (id) => {
      const asked: string[] = [];
      const runner = { get: (each: string) => asked.push(each) } as unknown as TaskRunner;
      const adapter = new TaskQueueAdapter('emails', runner, () => undefined, false);
      expect(await adapter.getJob(id)).toBeUndefined();
      expect(await adapter.getJobLogs(id)).toEqual([]);
      expect(asked).toEqual([]);
    },
  );

  it('removes all tasks of a status together: an engine stores that in one operation', async () => {
    const asked: string[] = [];
    const all = new Deferred();
    const runner = {
      list: async ({ status }: TaskFilter) =>
        status === 'failed' ? [{ id: 'a' }, { id: 'b' }] : [],
      forget: (id: string) => {
        if (asked.push(id) === 2) {
          all.resolve();
        }
        return all.promise.then(() => true);
      },
    } as unknown as TaskRunner;
    await new TaskQueueAdapter('emails', runner, () => undefined, false).clean('failed');
    expect(asked).toEqual(['a', 'b']);
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
    ['no tasks "__proto__"', (adapter) => adapter.clean('__proto__' as never)],
  ])('refuses actions that tasks do not have: %s', async (reason, attempt) => {
    await expect(attempt(adapterOf(kitWithEmails()))).rejects.toThrow(reason);
  });
});

/** A runner that knows none of the tasks it is asked about. */
const nobody = {
  forget: () => Promise.resolve(false),
  cancel: () => Promise.resolve(false),
  retry: () => Promise.resolve(undefined),
} as unknown as TaskRunner;

const INFO: Partial<TaskInfo> = {
  id: 'id',
  name: 'send',
  queue: 'default',
  status: 'queued',
  priority: 'normal',
  args: [],
  attempts: 0,
  maxAttempts: 3,
  addedAt: 1_000,
  logs: [],
};

const taskWith = (info: Partial<TaskInfo>, runner = nobody): BoardTask =>
  new BoardTask({ ...INFO, ...info } as TaskInfo, runner, ({ args }) => args);

const settled = (outcome: Outcome): BoardTask => taskWith({ status: outcome.status, outcome });

describe('a task on the board', () => {
  it.each<[TaskStatus, string]>([
    ['queued', 'waiting'],
    ['delayed', 'delayed'],
    ['retrying', 'delayed'],
    ['running', 'active'],
    ['completed', 'completed'],
    ['failed', 'failed'],
    ['abandoned', 'failed'],
  ])('whose status is %s is listed as %s', async (status, state) => {
    expect(await taskWith({ status }).getState()).toBe(state);
  });

  it.each<[Outcome, string]>([
    [{ status: 'failed', attempts: 1, durationMs: 1, error: new TypeError('no') }, 'TypeError: no'],
    [{ status: 'failed', attempts: 1, durationMs: 1, error: 'no' }, 'no'],
    [{ status: 'failed', attempts: 1, durationMs: 1, error: '' }, 'It failed.'],
    [{ status: 'cancelled', attempts: 0 }, 'It was cancelled.'],
    [
      { status: 'abandoned', attempts: 0 },
      'It was abandoned: the application shut down before it ended.',
    ],
    [{ status: 'dropped', reason: 'overflow' }, 'It was dropped: overflow.'],
  ])('whose outcome is %j has the reason: %s', (outcome, reason) => {
    expect(settled(outcome).toJSON().failedReason).toBe(reason);
  });

  it('shows a stack, unless the error hides it', () => {
    const error = new Error('no');
    const shown = settled({ status: 'failed', attempts: 1, durationMs: 1, error }).toJSON();
    expect(shown.stacktrace).toEqual([error.stack]);
    const hostile = Object.defineProperty(new Error('no'), 'stack', { get: throwing });
    const hidden = settled({ status: 'failed', attempts: 1, durationMs: 1, error: hostile });
    expect(hidden.toJSON().stacktrace).toEqual([]);
  });

  it('O11: escapes name and error', () => {
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
});

function named(): void {}

const nested = (depth: number): unknown => (depth === 0 ? 'deep' : { in: nested(depth - 1) });

/** How long the text is that a page would get. */
const lengthOf = (value: unknown): number => JSON.stringify(excerptOf(value)).length;

describe('the options of the board', () => {
  class NoGuard {
    canEnter = (): boolean => true;
  }

  it.each<[string, object]>([
    ['board', []],
    ['board.guards', { guards: [] }],
    ['board.route', { route: 'tasks' }],
    ['board.route', { route: '/a/../b' }],
    ['board.route', { route: '/..' }],
    ['board.route', { route: 5 }],
    ['board.guard', { guard: null }],
    ['board.guard', { guard: 'AdminGuard' }],
    ['board.guard', { guard: NoGuard }],
    ['board.guard[1]', { guard: [() => true, undefined] }],
    ['board.decorators', { decorators: () => undefined }],
    ['board.decorators[0]', { decorators: ['admin'] }],
    ['board.args', { args: true }],
    ['board.readOnly', { readOnly: 'false' }],
    ['board.title', { title: 1 }],
    ['board.adapters', { adapters: {} }],
    ['board.adapters[0]', { adapters: [{}] }],
  ])('are refused with the path of the wrong option: %s in %j', (path, options) => {
    expect(() => BackgroundTasksBoardModule.forRoot(options)).toThrow(
      expect.objectContaining({ path }),
    );
  });
});

describe('a value on the board', () => {
  it.each<[unknown, unknown]>([
    [undefined, '(undefined)'],
    [12n, '12n'],
    [named, '(function named)'],
    [new Date(Number.NaN), 'Invalid Date'],
    [new TypeError('no'), 'TypeError: no'],
    [new Uint8Array(3), '(Uint8Array of 3 bytes)'],
    [new Set([1, 'a']), { '(Set)': [1, 'a'] }],
    [new Map([['key', { a: 1 }]]), { '(Map)': [['key', { a: 1 }]] }],
    [{ a: { b: 'c' } }, { a: { b: 'c' } }],
    [Object.create({ inherited: true }), {}],
  ])('is plain JSON of %p', (value, shown) => {
    expect(excerptOf(value)).toEqual(shown);
  });

  it('is cut below a depth', () => {
    expect(JSON.stringify(excerptOf(nested(6)))).toContain('deep');
    expect(JSON.stringify(excerptOf(nested(7)))).not.toContain('deep');
  });

  it('O21: is shown with each circle once', () => {
    const circle: Record<string, unknown> = { map: new Map<string, unknown>() };
    circle['self'] = circle;
    (circle['map'] as Map<string, unknown>).set('back', circle);
    expect(excerptOf([circle, circle])).toEqual(
      [1, 2].map(() => ({ map: { '(Map)': [['back', '(a circle)']] }, self: '(a circle)' })),
    );
  });

  it('is shown in bounded length', () => {
    const many = Array.from({ length: 10_000 }, (_, index) => index);
    const entries = Object.fromEntries(many.map((index) => [`key${index}`, index]));
    expect(lengthOf(many)).toBeLessThan(5_000);
    expect(lengthOf(entries)).toBeLessThan(15_000);
    expect(lengthOf('x'.repeat(1_000_000))).toBeLessThan(21_000);
    expect(lengthOf(many.map(() => 'x'.repeat(1_000)))).toBeLessThan(50_000);
  });

  it('is shown although a part of it cannot be read', () => {
    const hostile = { proxy: new Proxy({}, { ownKeys: throwing }), fine: 1 };
    Object.defineProperty(hostile, 'broken', { get: throwing, enumerable: true });
    expect(excerptOf(hostile)).toEqual({
      broken: '(a getter that throws)',
      proxy: '(a value that cannot be shown)',
      fine: 1,
    });
  });
});

it('a text on the board is cut, with the number of the rest', () => {
  expect(excerptOfText('longer', 4)).toBe('long… (2 more characters)');
});
