import { inspect } from 'node:util';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { instanceToPlain } from 'class-transformer';
import { bytesOf } from '../../../lib/observe/bytes-of.js';
import { FailedTasks } from '../../../lib/observe/failed-tasks.js';
import { TaskRecords } from '../../../lib/observe/task-records.js';
import type { Outcome } from '../../../lib/task/outcome.js';
import type { Task } from '../../../lib/task/task.js';
import { collectGarbage } from '../../support/garbage.js';
import { HOSTILE_VALUES } from '../support/hostile-values.js';
import { createKit } from '../support/kit.js';
import { NOBODY, bareTask } from '../support/tasks.js';

const COMPLETED: Outcome = { status: 'completed', attempts: 1, durationMs: 0 };
const FAILED: Outcome = { status: 'failed', attempts: 1, durationMs: 0, error: 'no' };

function createRecords(limit: number) {
  const records = new TaskRecords(limit);
  const home = {
    ...NOBODY,
    mintId: (task: Task) => {
      const id = `id of ${task.name}`;
      records.index(id, task);
      return id;
    },
  };
  return {
    add: (name: string) => bareTask(name, home),
    settle: (task: Task, outcome: Outcome) => {
      task.settle(outcome);
      records.remember(task);
      return task;
    },
  };
}

describe('the records of tasks', () => {
  it('O7: drop the arguments of a forgotten task, although its handle is kept', () => {
    const { add, settle } = createRecords(1);
    const first = Object.assign(add('1'), { args: ['large'] });
    settle(first, FAILED);
    expect(first.args).toEqual(['large']);
    settle(add('2'), FAILED);
    expect(first.args).toEqual([]);
  });

  it.each([
    ['many objects', Array.from({ length: 10_000 }, () => ({}))],
    ['a long text', 'x'.repeat(100_000)],
    ['a buffer', Buffer.alloc(100_000)],
  ])('O7: remember no large progress of a settled task: %s', (_what, progress) => {
    const { add, settle } = createRecords(2);
    const large = settle(Object.assign(add('1'), { progress }), COMPLETED);
    const small = settle(Object.assign(add('2'), { progress: { done: 1 } }), COMPLETED);
    expect([large.progress, small.progress]).toEqual([undefined, { done: 1 }]);
  });

  it('keep no forgotten task alive', async () => {
    const { add, settle } = createRecords(5);
    const forgotten: WeakRef<Task>[] = [];
    const ids = new Set<string>();
    for (let index = 0; index < 50; index += 1) {
      const task = add(`${index}`);
      // Some are asked for their id before they settle, some afterwards.
      if (index % 2 === 0) {
        ids.add(task.id);
      }
      ids.add(settle(task, COMPLETED).id);
      forgotten.push(new WeakRef(task));
    }
    expect(ids.size).toBe(50);
    await collectGarbage();
    const alive = forgotten.flatMap((task, index) => (task.deref() === undefined ? [] : [index]));
    expect(alive).toEqual([45, 46, 47, 48, 49]);
  });
});

function failedWith(name: string, ...args: unknown[]): Task {
  const task = bareTask(name);
  task.args = args;
  task.settle({ status: 'failed', attempts: 1, durationMs: 0, error: new Error('no') });
  return task;
}

describe('failed tasks', () => {
  let now = 0;

  beforeEach(() => {
    now = 0;
  });

  function tasksWithin(limits: Partial<{ count: number; bytes: number; ageMs: number }>) {
    const endless = { count: Infinity, bytes: Infinity, ageMs: Infinity };
    const tasks = new FailedTasks({ ...endless, ...limits, now: () => now });
    return { tasks, names: () => Array.from(tasks, ({ name }) => name) };
  }

  describe('O7: the failed tasks that are remembered', () => {
    it('are bounded by count, the latest stay', () => {
      const { tasks, names } = tasksWithin({ count: 2 });
      const gone = ['a', 'b', 'c'].flatMap((name) => tasks.push(failedWith(name)));
      expect(names()).toEqual(['c', 'b']);
      expect(gone.map(({ name }) => name)).toEqual(['a']);
    });

    it('are bounded by bytes, also with many small objects', () => {
      const { tasks, names } = tasksWithin({ bytes: 1_000_000 });
      for (let index = 0; index < 5; index += 1) {
        tasks.push(failedWith(`${index}`, { a: Array.from({ length: 10_000 }, () => ({})) }));
      }
      expect(names()).toEqual(['4']);
      tasks.push(failedWith('small'));
      expect(names()).toEqual(['small', '4']);
    });

    it('are bounded by age', () => {
      const { tasks, names } = tasksWithin({ ageMs: 1_000 });
      tasks.push(failedWith('old'));
      now = 600;
      tasks.push(failedWith('young'));
      now = 1_200;
      expect(names()).toEqual(['young']);
      expect(tasks.push(failedWith('new')).map(({ name }) => name)).toEqual(['old']);
    });
  });
});

const MANY = 150_000;
const numbers = Array.from({ length: MANY }, (_, index) => index);

describe('about how many bytes a value takes', () => {
  it('is found by its text, its bytes and what is in its objects', () => {
    expect(bytesOf('x'.repeat(1_000))).toBeGreaterThan(2_000);
    expect(bytesOf(Buffer.alloc(5_000))).toBeGreaterThan(5_000);
    expect(bytesOf(new Map([['key', 'x'.repeat(500)]]))).toBeGreaterThan(1_000);
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    expect(bytesOf(cycle)).toBeLessThan(1_000);
  });

  it('is found without a call of its code, and ends', () => {
    expect(bytesOf(HOSTILE_VALUES.map(([, make]) => make()))).toBeGreaterThan(0);
    const wide = Array.from({ length: 300_000 }, () => []);
    expect(bytesOf(wide)).toBeLessThan(bytesOf(wide.slice(0, 100_000)) * 2);
  });

  it('O7: is told of the stack of an error, however long', () => {
    const error = new Error('no such user');
    error.stack = 'x'.repeat(1_000_000);
    expect(bytesOf([error])).toBeGreaterThan(2_000_000);
  });

  it('O1: Node.js makes the text of a few stacks only, whose average stands for the others', () => {
    const { prepareStackTrace } = Error;
    let made = 0;
    Error.prepareStackTrace = (error) => {
      made += 1;
      return `${String(error)}\n${'    at f (file.js:1:1)\n'.repeat(50)}`;
    };
    try {
      const errors = Array.from({ length: 5_000 }, () => new Error('no such user'));
      const one = bytesOf(new Error('no such user'));
      made = 0;
      const bytes = bytesOf(new AggregateError(errors));
      expect(made).toBeLessThanOrEqual(100);
      expect(bytes).toBeGreaterThan(4_500 * one);
    } finally {
      Error.prepareStackTrace = prepareStackTrace;
    }
  });

  it.each<[string, unknown]>([
    ['an array', numbers],
    ['an object', Object.fromEntries(numbers.map((each) => [`key${each}`, each]))],
    ['a map', new Map(numbers.map((each) => [each, each]))],
    ['a set', new Set(numbers)],
  ])('P11: is found for %s with more entries than fit on the stack', (_, value) => {
    expect(bytesOf([value])).toBeGreaterThan(1_000_000);
  });
});

/** What an HTTP client throws: its request is in it, and it says so when it is written down. */
function axiosError(): Error {
  const config = { headers: { authorization: 'Bearer s3cret' } };
  const error = new Error('Request failed');
  return Object.assign(error, { code: 'E_BAD', config, toJSON: () => ({ config }) });
}

describe('O9: the error of a task', () => {
  it('is shown as text in lists, and as thrown in the outcome', async () => {
    const { clock, runner } = createKit();
    const error = axiosError();
    const handle = runner.addTask(() => Promise.reject(error));
    const { id } = handle;
    await clock.settle();
    const shown = {
      error: {
        name: 'Error',
        message: 'Request failed',
        code: 'E_BAD',
        stack: expect.stringMatching(/^Error: Request failed\n {4}at /),
      },
    };
    const [listed] = await runner.list({ status: 'failed' });
    expect(listed).toMatchObject({ outcome: shown });
    expect(instanceToPlain(listed)).toMatchObject({ outcome: shown });
    expect(await runner.get(id)).toMatchObject({ outcome: shown });
    const outcome = await handle.whenSettled();
    expect(outcome).toEqual({ status: 'failed', attempts: 1, durationMs: 0, error });
    expect(JSON.parse(JSON.stringify(outcome))).toMatchObject(shown);
    for (const text of [JSON.stringify([listed, outcome]), inspect([listed, outcome])]) {
      expect(text).not.toContain('s3cret');
    }
  });

  it('is shown as thrown in an event, and as text if the event is serialised', async () => {
    const { clock, runner, record } = createKit({ retry: { attempts: 2 } });
    const events = record();
    const error = axiosError();
    runner.addTask(() => Promise.reject(error));
    await clock.advance(1e6);
    const failures = events.filter((event) => 'error' in event);
    expect(failures.map((event) => [event.type, event.error])).toEqual([
      ['retrying', error],
      ['failed', error],
    ]);
    expect(inspect(failures) + JSON.stringify(failures)).not.toContain('s3cret');
    expect(JSON.stringify(failures)).toContain('"message":"Request failed","code":"E_BAD"');
  });
});
