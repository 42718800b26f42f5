import { AsyncLocalStorage } from 'node:async_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, jest } from '@jest/globals';
import { type TaskHandle } from '../../../lib/index.js';
import { HOSTILE_VALUES, thenable, thrower, type Then } from '../support/hostile-values.js';
import { createKit } from '../support/kit.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const fail = (): never => {
  throw new Error('no connection');
};

describe('a task', () => {
  it('completes when its body has returned', async () => {
    const { clock, runner } = createKit();
    const handle = runner.addTask(async () => clock.sleep(250));
    await clock.advance(1000);
    expect(await handle.whenSettled()).toEqual({
      status: 'completed',
      attempts: 1,
      durationMs: 250,
    });
    expect(handle.status).toBe('completed');
  });

  it('is given its arguments, in order, and no this', async () => {
    const { clock, runner } = createKit();
    const calls: unknown[] = [];
    function body(this: unknown, ...args: unknown[]): void {
      calls.push([this, ...args]);
    }
    runner.addTask(body, 'a', undefined, { b: 1 });
    await clock.settle();
    expect(calls).toEqual([[undefined, 'a', undefined, { b: 1 }]]);
  });

  it('does not start within the call that adds it', async () => {
    const { clock, runner } = createKit();
    const body = jest.fn();
    runner.addTask(body);
    expect(body).not.toHaveBeenCalled();
    await clock.settle();
    expect(body).toHaveBeenCalledTimes(1);
  });

  it('draws its jitter from the random source it is given', async () => {
    const { clock, runner } = createKit({}, { random: () => 0.25 });
    const events = [] as unknown[];
    runner.events.subscribe((event) => event.type === 'retrying' && events.push(event.delayMs));
    runner.addTask({ retry: { attempts: 3, delay: '8s' } }, fail);
    await clock.advance(1e6);
    expect(events).toEqual([2000, 4000]);
  });
});

describe('P11: whatever a body throws', () => {
  it.each(HOSTILE_VALUES)('%s fails the task, and is its error', async (_, make) => {
    const { clock, runner, logger } = createKit();
    const value = make();
    const sync = runner.addTask({ name: 'sync' }, () => {
      throw value;
    });
    const rejected = runner.addTask({ name: 'rejected' }, async () => {
      await clock.sleep(1);
      throw value;
    });
    const other = runner.addTask({ name: 'other' }, () => undefined);
    await clock.advance(10);

    expect([sync.status, rejected.status, other.status]).toEqual(['failed', 'failed', 'completed']);
    for (const handle of [sync, rejected]) {
      const outcome = await handle.whenSettled();
      expect(outcome.status === 'failed' && Object.is(outcome.error, value)).toBe(true);
    }
    expect(logger.of('error')).toEqual([
      expect.stringMatching(/^Task sync \([\w-]{36}\) failed after 1 attempt, /),
      expect.stringMatching(/^Task rejected \([\w-]{36}\) failed after 1 attempt, /),
    ]);
  });

  it.each(HOSTILE_VALUES)('%s is tried again under a retry policy', async (_, make) => {
    const { clock, runner } = createKit({ retry: { attempts: 3 } });
    const body = jest.fn(() => {
      throw make();
    });
    const handle = runner.addTask(body);
    await clock.advance(1e6);
    expect(body).toHaveBeenCalledTimes(3);
    expect(handle.status).toBe('failed');
  });
});

describe('a thenable that a body returns', () => {
  const error = new Error('no');
  const cases: [string, Then, 'completed' | 'failed'][] = [
    ['resolves', (resolve) => resolve(), 'completed'],
    ['rejects', (_, reject) => reject(error), 'failed'],
    ['resolves twice', (resolve) => [resolve(1), resolve(2)], 'completed'],
    ['rejects twice', (_, reject) => [reject(error), reject(new Error('2'))], 'failed'],
    ['resolves, then rejects', (resolve, reject) => [resolve(), reject(error)], 'completed'],
    ['rejects, then resolves', (resolve, reject) => [reject(error), resolve()], 'failed'],
    [
      'throws in then',
      () => {
        throw error;
      },
      'failed',
    ],
    [
      'resolves, then throws in then',
      (resolve) => {
        resolve();
        throw error;
      },
      'completed',
    ],
  ];

  it.each(cases)('%s: it counts once', async (_, then, status) => {
    const { clock, runner } = createKit();
    const settled: unknown[] = [];
    runner.events.subscribe(({ type }) => settled.push(type));
    const handle = runner.addTask(() => thenable(then));
    await clock.settle();
    expect(settled).toEqual(['added', 'queued', 'started', status]);
    expect(await handle.whenSettled()).toMatchObject(
      status === 'failed' ? { status, error } : { status },
    );
  });

  it('whose then cannot be read fails the task', async () => {
    const { clock, runner } = createKit();
    const handle = runner.addTask(() => thrower());
    await clock.settle();
    expect(await handle.whenSettled()).toMatchObject({
      status: 'failed',
      error: { message: 'looked at' },
    });
  });
});

describe('P7: the async context of the place where a task was added', () => {
  it('is there on every attempt, and not that of any other task', async () => {
    const storage = new AsyncLocalStorage<string>();
    const { clock, runner } = createKit({ retry: { attempts: 2 } });
    const seen: string[] = [];
    for (const tenant of ['blue', 'green']) {
      storage.run(tenant, () =>
        runner.addTask(async (own: string) => {
          seen.push(`${own} in ${storage.getStore()}`);
          await clock.sleep(5);
          seen.push(`${own} still in ${storage.getStore()}`);
          fail();
        }, tenant),
      );
    }
    runner.addTask(() => seen.push(`nothing in ${storage.getStore()}`));
    await clock.settle();
    expect(seen).toEqual(['blue in blue', 'green in green', 'nothing in undefined']);
    await clock.advance(1e6);
    expect(seen.slice(3).toSorted()).toEqual(
      [
        'blue still in blue',
        'green still in green',
        'blue in blue',
        'green in green',
        'blue still in blue',
        'green still in green',
      ].toSorted(),
    );
  });

  it('is the same on every attempt, whatever the one before has entered', async () => {
    const tenants = new AsyncLocalStorage<string>();
    const { clock, runner } = createKit({ retry: { attempts: 2 } });
    const seen: (string | undefined)[] = [];
    tenants.run('of the request', () =>
      runner.addTask(() => {
        seen.push(tenants.getStore());
        tenants.enterWith('of the attempt');
        fail();
      }),
    );
    await clock.advance(10_000);
    expect(seen).toEqual(['of the request', 'of the request']);
  });

  it('is that of the task for what the task adds', async () => {
    const storage = new AsyncLocalStorage<string>();
    const { clock, runner } = createKit();
    const seen: unknown[] = [];
    storage.run('outer', () =>
      runner.addTask(() => {
        storage.run('inner', () => runner.addTask(() => seen.push(storage.getStore())));
        runner.addTask(() => seen.push(storage.getStore()));
      }),
    );
    await clock.settle();
    expect(seen).toEqual(['inner', 'outer']);
  });

  it('is let go when the task has settled, though its handle is kept', async () => {
    const storage = new AsyncLocalStorage<object>();
    const { clock, runner } = createKit();
    // In a function of its own: no variable of this one may hold the store.
    const [handle, store] = ((): [TaskHandle, WeakRef<object>] => {
      const request = { tenant: 'blue' };
      const added = storage.run(request, () => runner.addTask(() => clock.sleep(5)));
      return [added, new WeakRef(request)];
    })();
    await clock.advance(1);
    collectGarbage();
    expect(store.deref()).toBeDefined();
    await clock.advance(1e6);
    collectGarbage();
    expect(handle.status).toBe('completed');
    expect(store.deref()).toBeUndefined();
  });
});
